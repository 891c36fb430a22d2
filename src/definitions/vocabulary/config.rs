//! An integration's document.

use super::request::{AUTHORIZATION, METHOD, PAGINATION, QUERY_ARRAY_FORMATS, RATE_LIMIT};
use super::steps::ACTION;
use super::{Object, Others, Shape, members};

/// The document.
pub(crate) const INTEGRATION: Object = Object {
    name: "integration",
    members: members! {
        "id": Shape::Id, "Written out by the author, unique over all files, never changed.";
        "name": Shape::Plain, "1 to 64 characters of a-z, 0-9, `_` and `-`; what installs call it.";
        "label": Shape::Plain, "Its name for people; `config.label` when it is absent.";
        "category": Shape::Plain, "What kind of service it is.";
        "is_beta": Shape::Flag, "Whether it is offered as unfinished.";
        "config": Shape::Object(&CONFIG), "How to talk to the service.";
        "team_id": Shape::Any, "Of the model system; without meaning here.";
        "sharing": Shape::Any, "Of the model system; without meaning here.";
        "version": Shape::Any, "Of the model system; versions are counted by `definitions apply`.";
        "created_at": Shape::Any, "Of the model system; without meaning here.";
        "updated_at": Shape::Any, "Of the model system; without meaning here.";
        "$schema": Shape::Plain, "For editors.";
    },
    required: &["id", "name", "config"],
    others: Others::Ignored,
    variants: None,
};

/// An integration's config, and what an override is laid over.
pub(super) const CONFIG: Object = Object {
    name: "config",
    members: members! {
        "label": Shape::Plain, "The service's name for people.";
        "logo": Shape::Plain, "The URL of a picture.";
        "icon": Shape::Plain, "The URL of a small picture.";
        "base_url": Shape::Text, "What every path is joined to. An account fills in at most one label in front of a literal domain: `https://{{subdomain}}.example.com`.";
        "host_from_tenant": Shape::Flag, "Lets every account bring a host of its own in `base_url`.";
        "headers": Shape::Map(&Shape::Text), "Sent with every request; `null` removes one for good.";
        "required_headers": Shape::Any, "Headers without which no request is sent.";
        "query": Shape::Map(&Shape::Template), "Sent with every request.";
        "query_array_format": QUERY_ARRAY_FORMATS, "How lists in a query are written; `repeat` when it is absent.";
        "credentials": Shape::Either(&[Shape::Object(&CREDENTIAL), Shape::Map(&Shape::Object(&CREDENTIAL))]), "One credential, or one for each authentication method that imports may use.";
        "authorization": Shape::Object(&AUTHORIZATION), "How requests authenticate. When it is absent: a bearer token for the OAuth family, `api_key` as a bearer token otherwise.";
        "pagination": Shape::Object(&PAGINATION), "How pages follow each other.";
        "rate_limit": Shape::Object(&RATE_LIMIT), "When the provider has had enough, and how long to wait.";
        "resources": Shape::Map(&Shape::Map(&Shape::Object(&METHOD))), "Resources and their methods (`list`, `get`, `create`, `update`, `delete` or any name), which steps may refer to.";
        "webhook": Shape::Object(&WEBHOOK), "Kept for whoever receives the service's webhooks; not executed here.";
        "actions": Shape::Map(&ACTION), "`post_install` runs when an account is imported, then `validation`; any other name is an action that runs on demand.";
        "error_expression": Shape::Expression, "JSONata over `status`, `headers`, `data` and `response` of every answer: tells errors from successes beyond the status code.";
        "tool_tags": Shape::Any, "Kept; not used here.";
        "environment_variables": Shape::Map(&Shape::Any), "Values that differ between environments; usually in an install's override.";
        "secret_environment_variables": Shape::Map(&Shape::Any), "The same for secrets: never shown anywhere.";
    },
    required: &[],
    others: Others::Ignored,
    variants: None,
};

const WEBHOOK: Object = Object {
    name: "webhook",
    members: members! {
        "payload_transform": Shape::Expression, "JSONata that unwraps the service's envelope.";
        "handle_verification": Shape::Expression, "JSONata that gives `{type: verify | payload | meta, verification_response, update_context}`.";
        "signature_verification": Shape::Object(&Object {
            name: "signature_verification",
            members: members! {
                "format": Shape::Plain, "`hmac`, `jwt`, `basic`, `bearer`, or a vendor's.";
                "config": Shape::Template, "Options of the format.";
            },
            required: &[],
            others: Others::Allowed,
            variants: None,
        }), "How a payload proves where it is from.";
    },
    required: &[],
    others: Others::Allowed,
    variants: None,
};

/// How accounts of one method bring their credential.
const CREDENTIAL: Object = Object {
    name: "credential",
    members: members! {
        "format": Shape::Words(&["api_key", "oauth2", "oauth2_client_credentials", "keka_oauth", "oauth"]), "The authentication method. `oauth` (1.0a) accounts cannot be imported.";
        "config": Shape::Object(&CREDENTIAL_CONFIG), "What the context must bring, and how a token is refreshed.";
    },
    required: &[],
    others: Others::Ignored,
    variants: None,
};

const CREDENTIAL_CONFIG: Object = Object {
    name: "credential_config",
    members: members! {
        "fields": Shape::List(&Shape::Object(&FIELD)), "The keys of the context that are checked.";
        "client": Shape::Object(&Object {
            name: "client",
            members: members! {
                "id": Shape::Text, "The OAuth client's id.";
                "secret": Shape::Text, "Its secret: `{{environment_variables.NAME}}`, with the value in an install's `secret_environment_variables`.";
                "idParamName": Shape::Plain, "The id's name in a body; `client_id` when it is absent.";
                "secretParamName": Shape::Plain, "The secret's name in a body; `client_secret` when it is absent.";
            },
            required: &[],
            others: Others::Ignored,
            variants: None,
        }), "The OAuth client.";
        "auth": Shape::Object(&Object {
            name: "auth",
            members: members! {
                "tokenHost": Shape::Text, "The token endpoint's host. The definition decides about it: `https://{{subdomain}}.example.com`.";
                "tokenPath": Shape::Text, "Its path; `/oauth/token` when it is absent.";
                "refreshPath": Shape::Text, "The path of refreshes, when it is another.";
                "authorizeHost": Shape::Any, "Kept; the authorization itself happens elsewhere.";
                "authorizePath": Shape::Any, "Kept; the authorization itself happens elsewhere.";
                "revokePath": Shape::Any, "Kept; not used here.";
                "requestTokenUrl": Shape::Any, "OAuth 1.0a; kept.";
                "authorizeUrl": Shape::Any, "OAuth 1.0a; kept.";
                "tokenUrl": Shape::Any, "OAuth 1.0a; kept.";
                "host_from_tenant": Shape::Flag, "Lets every account bring a token host of its own, which then gets the client's secret.";
            },
            required: &[],
            others: Others::Ignored,
            variants: None,
        }), "Where tokens come from.";
        "options": Shape::Object(&Object {
            name: "oauth_options",
            members: members! {
                "authorizationMethod": Shape::Words(&["header", "body"]), "How the client proves itself: HTTP Basic (the default) or in the body.";
                "bodyFormat": Shape::Words(&["form", "json"]), "How the token request is written; `form` when it is absent.";
                "credentialsEncodingMode": Shape::Words(&["strict", "loose"]), "Whether id and secret are form-encoded in the header (RFC 6749 2.3.1).";
                "refusal_errors": Shape::List(&Shape::Plain), "Error words, beside `invalid_grant`, that mean that the account has to be connected again.";
                "scopeSeparator": Shape::Any, "Kept; the authorization itself happens elsewhere.";
            },
            required: &[],
            others: Others::Ignored,
            variants: None,
        }), "How token requests are written.";
        "scope": Shape::Any, "Kept; the authorization itself happens elsewhere.";
        "params": Shape::Any, "Kept; the authorization itself happens elsewhere.";
        "pkce": Shape::Any, "Kept; the authorization itself happens elsewhere.";
        "tokenParams": Shape::Map(&Shape::Template), "More members of token requests.";
        "refreshParams": Shape::Map(&Shape::Template), "More members of refresh requests.";
        "tokenExpiryDuration": Shape::Either(&[Shape::Number, Shape::Plain]), "Seconds that a token is good for when the provider does not say.";
        "documentation_link": Shape::Any, "For people.";
        "permissions_text": Shape::Any, "For people.";
    },
    required: &[],
    others: Others::Ignored,
    variants: None,
};

const FIELD: Object = Object {
    name: "field",
    members: members! {
        "name": Shape::Plain, "Its key in the context.";
        "label": Shape::Plain, "Its name for people.";
        "type": Shape::Plain, "`password` makes its value a secret; other types are a form's business.";
        "required": Shape::Flag, "Whether an import without it is refused.";
        "default": Shape::Any, "The value of an account that brings none.";
        "format": Shape::Plain, "`email`, `number`, `uuid` or `url` is checked; other names pass.";
        "pattern": Shape::Plain, "A regular expression (JavaScript) that the value must match somewhere.";
        "options": Shape::Any, "The only values that are allowed, as they are or as `{label, value}`.";
        "transform": Shape::Words(&["lowercase", "uppercase", "sha256"]), "What is done to the value before it is stored.";
        "placeholder": Shape::Any, "For forms.";
        "help_text": Shape::Any, "For forms.";
    },
    required: &["name"],
    others: Others::Allowed,
    variants: None,
};
