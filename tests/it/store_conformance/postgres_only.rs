//! What only PostgreSQL has: a schema that is not there yet, a server that is away, statements to prepare.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _, PgConnection, SqlSafeStr as _};
use tidewaiter::lifecycle::Status;
use tidewaiter::store::postgres::{GATES_STATEMENTS, OPERATORS_STATEMENTS, PATCH_STATEMENTS, Postgres, STATEMENTS};
use tidewaiter::store::{
    Accepted, Commit, Committed, Enqueued, Patience, RelayPass, Relayed, Standing, Store as _, StoreError,
};
use tidewaiter::tasks::Tasks;

use super::databases::{at, on_empty_postgres, on_postgres, server};
use super::rows::{ALL_REGIONS, accept, action, activation, create, held, secrets, worker, write};

#[tokio::test]
async fn every_statement_can_be_prepared_on_a_fresh_schema() {
    on_postgres(async |database| {
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        for statement in STATEMENTS.iter().chain(OPERATORS_STATEMENTS).chain(GATES_STATEMENTS).chain(PATCH_STATEMENTS) {
            let prepared = connection.prepare(statement.into_sql_str()).await;
            assert!(prepared.is_ok(), "{statement}: {:?}", prepared.err());
        }
    })
    .await;
}

#[tokio::test]
async fn a_schema_that_is_missing_is_named_with_the_command() {
    on_empty_postgres(async |database| {
        let store = database.open().await;
        let error = store.check().await.unwrap_err();
        assert!(matches!(&error, StoreError::Schema(why) if why.contains("tidewaiter migrate")), "{error}");
        // What comes all the same is not the data's fault.
        let patience = Patience::For(Duration::from_millis(1));
        let error = store.accept(accept(), patience).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    })
    .await;
}

#[tokio::test]
async fn migrating_twice_or_at_once_is_one_migration() {
    on_empty_postgres(async |database| {
        let (one, other) = tokio::join!(Postgres::migrate(database.url()), Postgres::migrate(database.url()));
        one.unwrap();
        other.unwrap();
        assert_eq!(Postgres::migrate(database.url()).await.unwrap(), 0);
        database.open().await.check().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_a_newer_version_asked_for_is_left_to_it_and_not_performed_as_something_else() {
    on_postgres(async |database| {
        let store = database.open().await;
        let (older, newer) = (worker(&*store).await, worker(&*store).await);
        let held = held(&*store, older).await;
        write(&*store, &activation(&held)).await;
        let asked = action(held.account.id, 2);
        assert_eq!(store.enqueue(asked.clone()).await.unwrap(), Enqueued::Done);
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        connection.execute("UPDATE runs SET from_phase = 'later' WHERE state = 'queued'").await.unwrap();
        assert!(store.claim(older, ALL_REGIONS, 10).await.unwrap().runs.is_empty());
        connection.execute("UPDATE runs SET from_phase = 'action' WHERE state = 'running'").await.unwrap();
        // The one that could not read it does not hold it either, so its own takeover gives it back.
        assert_eq!(store.take_over(older, Duration::ZERO, &[]).await.unwrap(), 1);
        let claimed = store.claim(newer, ALL_REGIONS, 10).await.unwrap().runs.remove(0);
        assert_eq!((claimed.run.id, claimed.run.task), (asked.run.id, asked.run.task));
    })
    .await;
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused() {
    on_postgres(async |database| {
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
            VALUES (999, 'later', true, '', 0)";
        connection.execute(newer).await.unwrap();
        for outcome in [Postgres::migrate(database.url()).await.err(), database.open().await.check().await.err()] {
            assert!(matches!(&outcome, Some(StoreError::Schema(why)) if why.contains("newer")), "{outcome:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_away_is_named_and_refuses_nothing_but_time() {
    // Nobody listens on port 1; no server is needed for this test.
    let store = Postgres::connect("postgres://user:a-secret@127.0.0.1:1/name", &Tasks::new()).unwrap();
    let error = store.check().await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && error.contains("`name`") && error.contains("is it running"), "{error}");
    let outcome = store.accept(accept(), Patience::For(Duration::from_millis(20))).await;
    let Err(StoreError::Unavailable(why)) = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("127.0.0.1:1"), "{why}");
    assert!(!error.contains("a-secret") && !why.contains("a-secret"));
}

#[tokio::test]
async fn a_wrong_user_or_database_is_named_without_the_password() {
    let Some(server) = server() else { return };
    let store = Postgres::connect(&at(&server, "there_is_no_such_database"), &Tasks::new()).unwrap();
    let error = store.check().await.unwrap_err().to_string();
    assert!(error.contains("`there_is_no_such_database`") && error.contains("create it"), "{error}");
    let mut url = url::Url::parse(&server).unwrap();
    url.set_username("nobody_here").unwrap();
    url.set_password(Some("a-secret")).unwrap();
    let store = Postgres::connect(url.as_str(), &Tasks::new()).unwrap();
    // A server that trusts everybody on the loopback lets this user in only if it exists.
    let error = store.check().await.unwrap_err().to_string();
    assert!(error.contains("nobody_here") && !error.contains("a-secret"), "{error}");
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_without_its_password() {
    let error = Postgres::connect("postgres://user:a-secret@host:port/name", &Tasks::new()).unwrap_err().to_string();
    assert!(error.contains("database URL") && !error.contains("a-secret"), "{error}");
}

#[tokio::test]
async fn connections_that_the_server_ends_are_made_anew() {
    on_postgres(async |database| {
        let store = database.open().await;
        let mut admin = PgConnection::connect(database.url()).await.unwrap();
        for _ in 0..3 {
            let new = accept();
            let accepted = store.accept(new.clone(), Patience::Endless).await.unwrap();
            assert_eq!(accepted, Accepted::Created);
            assert_eq!(store.account(new.account.id).await.unwrap().unwrap(), new.account);
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            admin.execute(end).await.unwrap();
        }
    })
    .await;
}

/// Resolves when some session of the database waits for another's lock.
async fn somebody_waits(admin: &mut PgConnection) {
    let waits = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'tidewaiter')";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut *admin).await.unwrap() {}
}

#[tokio::test]
async fn a_commit_that_waited_for_a_row_looks_at_it_again() {
    on_postgres(async |database| {
        let store = database.open().await;
        let (mut other, mut admin) = (
            PgConnection::connect(database.url()).await.unwrap(),
            PgConnection::connect(database.url()).await.unwrap(),
        );
        let worker = worker(&*store).await;
        for (meanwhile, expected) in [
            ("UPDATE runs SET fence = fence + 1, state = 'queued' WHERE account_id = $1", Committed::FenceLost),
            ("UPDATE runs SET state = 'finished' WHERE account_id = $1", Committed::FenceLost),
            ("UPDATE accounts SET sequence = sequence + 1 WHERE id = $1", Committed::SequenceMoved),
            ("UPDATE credentials SET version = version + 1 WHERE account_id = $1", Committed::CredentialMoved),
            ("UPDATE accounts SET last_forbidden_error = '{}' WHERE id = $1", Committed::Done),
        ] {
            let held = held(&*store, worker).await;
            let change = Commit { credential: secrets(1, "secrets 2"), ..activation(&held) };
            other.execute("BEGIN").await.unwrap();
            sqlx::query(meanwhile).bind(held.account.id).execute(&mut other).await.unwrap();
            let (outcome, ()) = tokio::join!(write(&*store, &change), async {
                somebody_waits(&mut admin).await;
                other.execute("COMMIT").await.unwrap();
            });
            assert_eq!(outcome, expected, "{meanwhile}");
            let account = store.account(held.account.id).await.unwrap().unwrap();
            let events = store.account_events(held.account.id, 1, 10).await.unwrap().len();
            let done = expected == Committed::Done;
            assert_eq!((account.status == Some(Status::Active), events), (done, 1 + usize::from(done)), "{meanwhile}");
            // Nothing of this round is left to be claimed by the next.
            store.claim(worker, ALL_REGIONS, 10).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn an_accept_that_waited_for_the_same_message_is_a_duplicate_of_it() {
    on_postgres(async |database| {
        let store = database.open().await;
        let (mut other, mut admin) = (
            PgConnection::connect(database.url()).await.unwrap(),
            PgConnection::connect(database.url()).await.unwrap(),
        );
        let first = accept();
        create(&*store, &first).await;
        let mut again = accept();
        again.run.message_id = Some("the message".to_owned());
        other.execute("BEGIN").await.unwrap();
        let names = "UPDATE runs SET message_id = 'the message' WHERE id = $1";
        sqlx::query(names).bind(first.run.id).execute(&mut other).await.unwrap();
        let (outcome, ()) = tokio::join!(store.accept(again, Patience::Endless), async {
            somebody_waits(&mut admin).await;
            other.execute("COMMIT").await.unwrap();
        });
        assert_eq!(outcome.unwrap(), Accepted::Duplicate { account: first.account.id });
    })
    .await;
}

#[tokio::test]
async fn every_shard_is_relayed_by_exactly_one_live_worker() {
    on_postgres(async |database| {
        let store = database.open().await;
        let mut workers = Vec::new();
        for live in 1..=3 {
            workers.push(worker(&*store).await);
            for _ in 0..16 {
                create(&*store, &accept()).await;
            }
            let mut seen = Vec::new();
            for (rank, worker) in workers.iter().enumerate() {
                let asks = RelayPass { worker: *worker, published: &[], heads: 100, except: &[] };
                let Relayed { standing, heads } = store.relay_pass(asks).await.unwrap();
                assert_eq!(standing, Standing { rank: rank as u32, live });
                assert!(heads.iter().all(|head| standing.relays(head.account)));
                seen.extend(heads.into_iter().map(|head| head.account));
            }
            let count = seen.len();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!((seen.len(), count), (16 * live as usize, 16 * live as usize));
        }
    })
    .await;
}

#[tokio::test]
async fn a_relay_pass_reads_by_its_indices_even_when_it_was_planned_on_empty_tables() {
    on_postgres(async |database| {
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        let statement = STATEMENTS.iter().find(|statement| statement.contains("DELETE FROM outbox")).unwrap();
        let settings = "SET enable_seqscan = off; SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan";
        connection.execute(sqlx::raw_sql(settings)).await.unwrap();
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PREPARE pass AS {statement}")))).await.unwrap();
        let explain = "EXPLAIN EXECUTE pass ('00000000-0000-0000-0000-000000000001', 0, '{}', '{}', '{}', '{}', 9)";
        let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut connection).await.unwrap();
        let plan = plan.join("\n");
        for (part, times) in
            [("Index Only Scan using outbox_pkey", 1), ("Index Scan using outbox_pkey", 1), ("using events_pkey", 1)]
        {
            assert_eq!(plan.matches(part).count(), times, "{part}\n{plan}");
        }
        for table in ["outbox", "events"] {
            assert!(!plan.contains(&format!("Seq Scan on {table}")), "{plan}");
        }
        // Sorted is only what was found; a shard is read in the order of its index.
        assert_eq!(plan.matches("Sort Key").count(), 1, "{plan}");
        assert_eq!(plan.matches("hashed SubPlan").count(), 2, "{plan}");
    })
    .await;
}

#[tokio::test]
async fn failed_accounts_are_read_in_order_from_their_index_by_a_plan_for_any_status() {
    on_postgres(async |database| {
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        let statement = OPERATORS_STATEMENTS.iter().find(|statement| statement.contains("a.updated_at, a.id LIMIT"));
        connection.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan").await.unwrap();
        let prepare = format!("PREPARE failed (text, bigint, uuid, bigint) AS {}", statement.unwrap());
        connection.execute(sqlx::AssertSqlSafe(prepare)).await.unwrap();
        let explain = format!("EXPLAIN EXECUTE failed ('needs_reauth', 0, '{}', 10)", uuid::Uuid::nil());
        let plan: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("accounts_failed_at") && plan.contains("runs_unfinished"), "{plan}");
        assert!(!plan.contains("Seq Scan") && !plan.contains("Sort"), "{plan}");
    })
    .await;
}
