//! Actions and their steps.

use super::request::REQUEST;
use super::{Object, Others, Shape, Variants, members};

/// An action: a list of steps, or a bare one.
pub(super) const ACTION: Shape = Shape::Either(&[Shape::Object(&STEPS), Shape::Object(&STEP)]);

const STEPS: Object = Object {
    name: "steps",
    members: members! {
        "steps": Shape::List(&Shape::Object(&STEP)), "The steps, in order; at most 100.";
    },
    required: &["steps"],
    others: Others::Ignored,
    variants: None,
};

const EXPRESSION: Shape = Shape::Either(&[
    Shape::Expression,
    Shape::Object(&Object {
        name: "expression",
        members: members! { "expression": Shape::Expression, "JSONata over the scope."; },
        required: &[],
        others: Others::Refused,
        variants: None,
    }),
]);

const PATHS: Shape = Shape::Either(&[
    Shape::Plain,
    Shape::List(&Shape::Plain),
    Shape::Object(&Object {
        name: "paths",
        members: members! {
            "path": Shape::Plain, "A dotted path into the context.";
            "paths": Shape::List(&Shape::Plain), "Several of them: the result is a list.";
        },
        required: &[],
        others: Others::Refused,
        variants: None,
    }),
]);

const FORM: Shape = Shape::Object(&Object {
    name: "form",
    members: members! { "fields": Shape::Any, "The form's fields."; },
    required: &[],
    others: Others::Allowed,
    variants: None,
});

const PROBE: Object = Object {
    name: "probe",
    members: members! {
        "request": Shape::Object(&REQUEST), "A GET or HEAD request that looks for what the lost one would have made.";
        "expression": Shape::Expression, "JSONata over the probe's answer: whether the lost request was carried out.";
    },
    required: &["request", "expression"],
    others: Others::Refused,
    variants: None,
};

/// A step.
pub(crate) const STEP: Object = Object {
    name: "step",
    members: members! {
        "type": Shape::Words(&["request", "transform", "update_context", "set_context", "get_context", "form", "unified", "proxy"]), "What it does. `request` asks the provider; `transform` computes with JSONata; `update_context` merges an expression's object into the account's context; `set_context` merges a fixed object; `get_context` reads the context. `form` and `unified` are kept and not executed here.";
        "config": Shape::Any, "What it needs, by `type`.";
        "name": Shape::Plain, "What later steps call it (`steps.NAME.result`) beside its index; 1 to 64 characters, not a number.";
        "run_if": Shape::Expression, "JSONata: the step is skipped unless it gives something true.";
        "loop_on": Shape::Expression, "JSONata that gives a list: the step runs once an item, with `item` and `index`; its result is the list of results.";
        "depends_on": Shape::Either(&[Shape::Plain, Shape::List(&Shape::Any)]), "Names or indexes of earlier steps: it is skipped when one of them was.";
        "continue_on_error": Shape::Flag, "A failure is recorded and the next step runs.";
        "timeout_ms": Shape::Number, "How long one attempt of a request may take, in milliseconds.";
        "on_unknown": Shape::Words(&["retry", "probe", "fail"]), "What follows when the answer is lost: `retry` (default of GET and HEAD) sends again, `probe` asks first, `fail` (default of the others) ends the phase.";
        "probe": Shape::Object(&PROBE), "For `on_unknown: probe`: how to find out whether the request was carried out.";
        "idempotency_key": Shape::Either(&[Shape::Flag, Shape::Plain]), "`true`, or a header's name: the provider honours the key, and the same bytes are sent again.";
        "allow_in_sandbox": Shape::Flag, "A sandbox account performs the step although it writes.";
        "paginate": Shape::Flag, "Fetches all pages instead of one.";
        "resource": Shape::Plain, "`proxy`: the resource whose method is called.";
        "method": Shape::Plain, "`proxy`: the name of the resource's method.";
        "id": Shape::Template, "`proxy`: what the templates of the method see as `id`.";
        "query": Shape::Map(&Shape::Template), "`proxy`: the query.";
        "headers": Shape::Map(&Shape::Text), "`proxy`: the headers.";
        "body": Shape::Template, "`proxy`: the body.";
    },
    required: &["type"],
    others: Others::Refused,
    variants: Some(Variants {
        by: "type",
        member: "config",
        shapes: &[
            ("request", Shape::Object(&REQUEST)),
            ("proxy", Shape::Object(&REQUEST)),
            ("transform", EXPRESSION),
            ("update_context", EXPRESSION),
            ("set_context", Shape::Template),
            ("get_context", PATHS),
            ("form", FORM),
        ],
    }),
};
