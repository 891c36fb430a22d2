//! Functions of the model's pack that this worker does not have. An expression that uses one is refused when it is
//! compiled, with the reason.

const REMOTE: &str = "it calls a service over the network, and an expression makes no requests: use a request step";
const BYTES: &str = "it makes or reads files and streams, and expressions work on JSON: pass Base64 text";
const METHODS: &str = "its result lives by its methods: sort with $sortNodes";
const EDITORS: &str = "it makes the blocks of one vendor's editor, which no lifecycle request needs";

/// Name and reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("base64ToBlob", BYTES),
    ("blob", BYTES),
    ("bufferToString", BYTES),
    ("convertMarkdownToAdf", EDITORS),
    ("convertMarkdownToGoogleDocs", EDITORS),
    ("convertMarkdownToNotion", EDITORS),
    ("convertMarkdownToSlack", EDITORS),
    ("convertMdToPdf", REMOTE),
    ("convertNotionToMarkdown", EDITORS),
    ("convertNotionToMd", EDITORS),
    ("convertQueryToSql", "it makes SQL text, and the worker talks to HTTP upstreams only"),
    ("dependencyGraph", METHODS),
    ("generateEmbeddingsCohere", REMOTE),
    ("getArrayBuffer", BYTES),
    ("getDataUri", BYTES),
    ("jsonToParquet", "it makes a binary file, and expressions work on JSON: $jsonToCsv makes text"),
    ("parseDocument", REMOTE),
    ("teeStream", BYTES),
];

/// Why there is no function of this name; `None` when it is not a name of the model's pack.
pub(in super::super) fn reason(name: &str) -> Option<&'static str> {
    UNSUPPORTED.iter().find(|(known, _)| *known == name).map(|(_, reason)| *reason)
}
