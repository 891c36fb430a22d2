//! Functions on records: `mapValues`, `zipSqlResponse`, `sortNodes`.

mod map_values;
mod nodes;
mod rows;

use super::Function;
use super::call::data;

pub(super) const FUNCTIONS: &[Function] = &[
    ("mapValues", || data(4, map_values::map_values)),
    ("sortNodes", || data(4, nodes::sort_nodes)),
    ("zipSqlResponse", || data(3, rows::zip_sql_response)),
];
