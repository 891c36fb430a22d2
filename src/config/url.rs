//! The database's URL: which store it means, and how a URL is shown without its password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};

/// Which database a URL means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// Embedded, one worker process.
    Sqlite,
    /// A server, any number of worker processes.
    Postgres,
}

/// `database.url`. Shown and logged with its password masked.
#[derive(Clone)]
pub struct DatabaseUrl {
    kind: DatabaseKind,
    url: SecretString,
}

impl DatabaseUrl {
    /// Which database it means.
    #[must_use]
    pub const fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The URL with its password, for connecting and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }

    /// The file of a SQLite database; `None` for one in memory and for PostgreSQL.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<PathBuf> {
        let rest = self.expose().strip_prefix("sqlite:")?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let in_memory = path == ":memory:" || path.is_empty() || query.split('&').any(|pair| pair == "mode=memory");
        let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
        (!in_memory).then(|| PathBuf::from(&*path))
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let kind = match url.split_once(':') {
            Some(("sqlite", _)) => DatabaseKind::Sqlite,
            Some(("postgres" | "postgresql", _)) => DatabaseKind::Postgres,
            _ => return Err("must begin with `sqlite://` or `postgres://`"),
        };
        if kind == DatabaseKind::Postgres && url::Url::parse(url).is_err() {
            return Err("is not a URL of the form `postgres://USER:PASSWORD@HOST:PORT/NAME`; \
                        characters like `/`, `#` and `@` in a password are written as `%2F`, `%23` and `%40`");
        }
        Ok(Self { kind, url: url.into() })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DatabaseKind::Sqlite => f.write_str(self.expose()),
            DatabaseKind::Postgres => f.write_str(&masked(self.expose())),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The URL with passwords as `***`; where it is not certain which part is the password, nothing of it.
pub(super) fn masked(text: &str) -> String {
    const HIDDEN: &str = "(hidden)";
    let Ok(mut url) = url::Url::parse(text) else { return HIDDEN.to_owned() };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return HIDDEN.to_owned();
    }
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let mut query = url.query_pairs_mut();
        query.clear();
        for (name, value) in &pairs {
            query.append_pair(name, if name.contains("pass") { "***" } else { value });
        }
    }
    // A `#`, `/` or `?` in a password that was not encoded moves its rest, and the `@` with it, behind the host.
    let has_user = !url.username().is_empty() || url.password().is_some();
    let clear = text.matches('@').count() == usize::from(has_user) && url.fragment().is_none();
    if clear { url.into() } else { HIDDEN.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        url.parse::<DatabaseUrl>().map_or_else(str::to_owned, |url| format!("{url} {url:?}"))
    }

    #[test]
    fn a_password_is_masked_wherever_it_stands() {
        for url in [
            "postgres://worker:s3cr3t@db:5432/tidewaiter",
            "postgres://worker@db/tidewaiter?sslmode=require&password=s3cr3t",
            "postgres://worker:a@s3cr3t@db/tidewaiter",
            "postgres://worker:12#s3cr3t@db/tidewaiter",
            "postgres://worker:12/s3cr3t@db/tidewaiter",
            "postgres://worker:12?s3cr3t@db/tidewaiter",
            "postgres://worker:a/s3cr3t@db/tidewaiter",
            "postgres://:s3cr3t@db/tidewaiter",
            "mysql://worker:s3cr3t@db/tidewaiter",
        ] {
            assert!(!shown(url).contains("s3cr3t"), "{url} is shown as {}", shown(url));
        }
    }

    #[test]
    fn what_is_no_password_stays_readable() {
        let url = "postgres://worker@db:5433/tidewaiter?sslmode=require";
        assert_eq!(shown(url), format!("{url} {url}"));
        let masked = "postgres://worker:***@db/tidewaiter";
        assert_eq!(shown("postgres://worker:pw@db/tidewaiter"), format!("{masked} {masked}"));
    }

    #[test]
    fn the_file_of_a_sqlite_database_is_found() {
        let path = |url: &str| url.parse::<DatabaseUrl>().unwrap().sqlite_path();
        assert_eq!(path("sqlite://tidewaiter.db"), Some("tidewaiter.db".into()));
        assert_eq!(path("sqlite:///var/lib/tide%20waiter.db?mode=rwc"), Some("/var/lib/tide waiter.db".into()));
        assert_eq!(path("sqlite:rel/x.db"), Some("rel/x.db".into()));
        assert_eq!(path("sqlite::memory:"), None);
        assert_eq!(path("postgres://db/tidewaiter"), None);
    }
}
