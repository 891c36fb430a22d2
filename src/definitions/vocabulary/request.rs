//! A request: a step's or a resource's method.

use super::{Member, Object, Others, Shape, Variants, members};

pub(super) const QUERY_ARRAY_FORMATS: Shape = Shape::Words(&["comma", "brackets", "indices", "repeat"]);

const METHODS: Shape =
    Shape::Words(&["get", "head", "post", "put", "patch", "delete", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/// The members that both kinds have.
macro_rules! request_members {
    ($($name:literal: $shape:expr, $about:literal;)*) => { members! {
        "path": Shape::Text, "Joined to `base_url` with one slash. Values are percent-encoded for their place. An absolute URL stands alone.";
        "base_url": Shape::Text, "Instead of the integration's, for this request.";
        "headers": Shape::Map(&Shape::Text), "Laid over the integration's; `null` removes one.";
        "query": Shape::Map(&Shape::Template), "Laid over the integration's; `null` removes one.";
        "query_array_format": QUERY_ARRAY_FORMATS, "How lists are written: `comma` a=1,2; `brackets` a[]=1&a[]=2; `indices` a[0]=1&a[1]=2; `repeat` a=1&a=2 (the default).";
        "body": Shape::Template, "What is sent with POST, PUT and PATCH. Placeholders without a value stay as written unless they say `:undefined`, `:null` or a default.";
        "body_format": Shape::Words(&["json", "form", "multipart", "raw", "xml"]), "How the body is written; `json` when it is absent.";
        "body_format_config": Shape::Object(&BODY_OPTIONS), "Options of the body's format.";
        "response_path": Shape::Expression, "JSONata on the answer's body: the step's result. Without it, the whole body.";
        "pagination_path": Shape::Plain, "Where the pages' values stand in the answer when it is not where `response_path` points.";
        "pagination": Shape::Object(&PAGINATION), "How pages follow each other; `null` switches the integration's off.";
        "authorization": Shape::Object(&AUTHORIZATION), "Instead of the integration's.";
        "no_auth": Shape::Flag, "Sends the request without authorization.";
        "add_query_to_body": Shape::Flag, "Copies the query into the body too.";
        "ignore_body": Shape::Flag, "Sends no body.";
        "set_body_to_null": Shape::Flag, "Sends JSON `null` as the body.";
        "ignore_body_in_pagination": Shape::Flag, "Sends no body for the pages after the first.";
        "ignore_credentials_on_redirect": Shape::Flag, "Without effect: redirects are never followed.";
        "api_response_format": Shape::Words(&["json", "text", "xml", "csv"]), "How the answer is read, whatever its content type says.";
        "throw_error_on_parse_error": Shape::Flag, "Whether an answer that cannot be read in its format is an error.";
        "error_expression": Shape::Expression, "JSONata over `status`, `headers`, `data` and `response` of every answer. Nothing, null or false: the status code decides. An object `{status, message, result}`: an error from status 400 on, a success below. Replaces the integration's.";
        "rate_limit": Shape::Object(&RATE_LIMIT), "Instead of the integration's.";
        "scopes": Shape::List(&Shape::Plain), "The OAuth scopes that the request needs: named where the provider answers 403.";
        "required_headers": Shape::Any, "Headers without which the request is not sent: a list of names.";
        "description": Shape::Plain, "For people.";
        "api_documentation_url": Shape::Plain, "For people.";
        "examples": Shape::Object(&EXAMPLES), "For people.";
        "query_schema": Shape::Any, "For people and tools; not checked.";
        "body_schema": Shape::Any, "For people and tools; not checked.";
        "response_schema": Shape::Any, "For people and tools; not checked.";
        "truto_static_gate_id": Shape::Plain, "Not supported: a request that sets it is refused.";
        $($name: $shape, $about;)*
    } };
}

/// A request step's `config`, or a resource's method.
pub(crate) const REQUEST: Object = Object {
    name: "request",
    members: request_members! {
        "method": Shape::Either(&[METHODS, Shape::Plain]), "The HTTP verb; `get` when it is absent. Beside `resource`, the name of that resource's method.";
        "type": Shape::Words(&["proxy", "unified"]), "`proxy` says that this refers to a method of `resources`, as `resource` alone does; `unified` is not executed here.";
        "resource": Shape::Plain, "The resource whose `method` is called: what is written here is what its templates see and is laid over what it sends.";
        "id": Shape::Template, "What the templates of the method see as `id`.";
    },
    required: &[],
    others: Others::Refused,
    variants: None,
};

/// A resource's method.
pub(super) const METHOD: Object = Object {
    name: "method",
    members: request_members! {
        "method": METHODS, "The HTTP verb; `get` when it is absent.";
    },
    required: &["path"],
    others: Others::Ignored,
    variants: None,
};

const BODY_OPTIONS: Object = Object {
    name: "body_options",
    members: members! {
        "array_format": QUERY_ARRAY_FORMATS, "`form`, `multipart`: how lists are written.";
        "content_type": Shape::Plain, "`raw`, `xml`: the content type.";
        "encoding": Shape::Words(&["text", "base64"]), "`raw`: whether the body is text or Base64 of bytes.";
        "root": Shape::Plain, "`xml`: the name of the outermost element.";
        "declaration": Shape::Flag, "`xml`: begins with an XML declaration.";
        "spaces": Shape::Number, "`xml`: indents by so many spaces.";
    },
    required: &[],
    others: Others::Refused,
    variants: None,
};

const EXAMPLES: Object = Object {
    name: "examples",
    members: members! {
        "response": Shape::Any, "An answer, as JSON or as JSON in a string.";
        "query": Shape::Any, "A query.";
        "body": Shape::Any, "A body.";
    },
    required: &[],
    others: Others::Allowed,
    variants: None,
};

/// How requests authenticate.
pub(super) const AUTHORIZATION: Object = Object {
    name: "authorization",
    members: members! {
        "format": Shape::Words(&["bearer", "header", "basic"]), "`bearer`: an Authorization header with a token; `header`: a header of your choice, or an expression that gives headers; `basic`: user name and password.";
        "config": Shape::Any, "Options of the format.";
    },
    required: &["format"],
    others: Others::Ignored,
    variants: Some(Variants {
        by: "format",
        member: "config",
        shapes: &[
            (
                "bearer",
                Shape::Object(&Object {
                    name: "bearer",
                    members: members! {
                        "token": Shape::Text, "The token; `{{oauth.token.access_token}}` when it is absent.";
                        "value": Shape::Text, "The same under another name.";
                        "path": Shape::Plain, "The dotted path of the token in the context.";
                    },
                    required: &[],
                    others: Others::Ignored,
                    variants: None,
                }),
            ),
            (
                "header",
                Shape::Object(&Object {
                    name: "header_authorization",
                    members: members! {
                        "header_name": Shape::Plain, "The header's name.";
                        "header_value": Shape::Text, "The header's value.";
                        "expression": Shape::Expression, "JSONata over `url`, `requestOptions` (`method`, `headers`, `body`) and `context` that gives an object of headers.";
                    },
                    required: &[],
                    others: Others::Ignored,
                    variants: None,
                }),
            ),
            (
                "basic",
                Shape::Object(&Object {
                    name: "basic",
                    members: members! {
                        "username": Shape::Text, "The user name.";
                        "password": Shape::Text, "The password.";
                    },
                    required: &["username"],
                    others: Others::Ignored,
                    variants: None,
                }),
            ),
        ],
    }),
};

/// When the provider has had enough.
pub(super) const RATE_LIMIT: Object = Object {
    name: "rate_limit",
    members: members! {
        "is_rate_limited": Shape::Expression, "JSONata over `status` and `headers`: whether this answer means that a limit was reached. `status = 429` when it is absent.";
        "retry_after_header_expression": Shape::Expression, "JSONata over `status` and `headers`: the seconds to wait. The Retry-After header when it is absent. Names with a hyphen stand in backticks: headers.`retry-after`.";
        "rate_limit_header_expression": Shape::Expression, "JSONata over `status` and `headers`: `{limit, remaining, reset}`, or the time at which the limit is reset.";
        "scope": Shape::Words(&["account", "install"]), "Whom a reached limit concerns: the account (the default), or all accounts of the install.";
    },
    required: &[],
    others: Others::Ignored,
    variants: None,
};

/// How pages follow each other.
pub(super) const PAGINATION: Object = Object {
    name: "pagination",
    members: members! {
        "format": Shape::Words(&["page", "cursor", "link_header", "offset", "range", "dynamic"]), "How the provider pages.";
        "config": Shape::Object(&PAGINATION_CONFIG), "Options of the format.";
    },
    required: &["format"],
    others: Others::Ignored,
    variants: None,
};

pub(super) const PAGINATION_CONFIG: Object = Object {
    name: "pagination_config",
    members: PAGINATION_MEMBERS,
    required: &[],
    others: Others::Ignored,
    variants: None,
};

const PAGINATION_MEMBERS: &[Member] = members! {
    "page_key": Shape::Plain, "`page`: the query parameter of the page's number.";
    "page_param": Shape::Plain, "The same as `page_key`.";
    "start_page": Shape::Number, "`page`: the first page's number; 1 when it is absent.";
    "limit_key": Shape::Plain, "The query parameter of the page's size.";
    "limit_param": Shape::Plain, "The same as `limit_key`.";
    "limit": Shape::Number, "The page's size, at most `max_limit`.";
    "max_limit": Shape::Number, "The largest page that the provider gives.";
    "max_pages": Shape::Number, "How many pages are fetched at most.";
    "limit_data_type": Shape::Words(&["string", "str", "number", "integer", "int"]), "Whether the size is sent as a number or as text in a body.";
    "ignore_limit_in_pagination": Shape::Flag, "Leaves the size out of the pages after the first.";
    "offset_key": Shape::Plain, "`offset`: the query parameter of the first item's place.";
    "offset_param": Shape::Plain, "The same as `offset_key`.";
    "range_unit": Shape::Plain, "`range`: the unit of the Range header.";
    "cursor_path": Shape::Plain, "`cursor`: where the next cursor stands in the answer.";
    "cursor_path_object": Shape::Plain, "`cursor`: `header` looks for it in the headers instead of the body.";
    "prev_cursor_path": Shape::Plain, "`cursor`: where the previous cursor stands.";
    "cursor_key": Shape::Plain, "`cursor`: the parameter that carries it.";
    "cursor_param": Shape::Plain, "The same as `cursor_key`.";
    "has_next_path": Shape::Plain, "`cursor`: where the answer says whether there is more.";
    "is_link": Shape::Flag, "`cursor`: the cursor is the next page's URL.";
    "include_path": Shape::Flag, "`cursor`: keeps the path of that URL.";
    "headers": Shape::Map(&Shape::Text), "`cursor`: headers of the pages after the first.";
    "add_to_body": Shape::Flag, "`cursor`: sends the cursor in the body.";
    "add_to_query": Shape::Flag, "`cursor`: sends the cursor in the query.";
    "use_content_hash": Shape::Flag, "Whether a page with the content of an earlier one ends the walk; when it is absent, `page` and `offset` compare with the page before.";
    "is_cursor_url_encoded": Shape::Flag, "`cursor`: the cursor is encoded already.";
    "allow_empty_page_cursor": Shape::Flag, "`cursor`: goes on after an empty page that has a cursor.";
    "get_initial_pagination_values_expression": Shape::Expression, "`dynamic`: JSONata over `query`, `url`, `requestOptions` that gives the first values.";
    "get_pagination_values_expression": Shape::Expression, "`dynamic`: JSONata over those, `response`, `body` and `paginationValues`; null ends.";
    "get_cursor_from_response_expression": Shape::Expression, "`dynamic`: JSONata that gives the cursor; nothing means none.";
};
