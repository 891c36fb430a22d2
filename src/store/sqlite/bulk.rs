//! Statements for many rows at once: each statement costs a hop to SQLite's thread and back, dearer than its row.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

/// The numbers of rows that a statement comes in: few, so that all of them stay prepared.
const SIZES: [usize; 3] = [32, 8, 1];

pub(super) type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

/// A statement with a part that is repeated for each row. All of it is the crate's own text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bulk {
    pub(super) before: &'static str,
    /// The part of one row, with its parameters as plain `?`.
    pub(super) row: &'static str,
    pub(super) between: &'static str,
    pub(super) after: &'static str,
}

impl Bulk {
    /// `INSERT INTO .. VALUES (..), (..)`.
    pub(super) const fn insert(into: &'static str, row: &'static str) -> Self {
        Self { before: into, row, between: ", ", after: "" }
    }

    /// Runs the statement for all items, in as few pieces as there are; answers the rows of all pieces.
    pub(super) async fn run<T>(
        self,
        db: &mut SqliteConnection,
        items: &[T],
        bind: impl for<'q> Fn(Statement<'q>, &T) -> Statement<'q>,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let mut rest = items;
        let mut rows = Vec::new();
        while !rest.is_empty() {
            let size = SIZES.into_iter().find(|size| *size <= rest.len()).unwrap_or(1);
            let (now, later) = rest.split_at(size);
            let text = format!("{}{}{}", self.before, vec![self.row; size].join(self.between), self.after);
            let mut statement = sqlx::query(AssertSqlSafe(text));
            for item in now {
                statement = bind(statement, item);
            }
            rows.extend(statement.fetch_all(&mut *db).await?);
            rest = later;
        }
        Ok(rows)
    }
}
