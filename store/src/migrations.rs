//! The schema's steps, one file each in `migrations/`, compiled in. It runs none of them.
//!
//! A list instead of sqlx's macro: that one builds SQLite a second time for the compiler's own use.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::dialect::Dialect;

const FILES: &[(i64, &str, &str)] = &[
    (1, "chain", include_str!("../migrations/0001_chain.sql")),
    (2, "relay", include_str!("../migrations/0002_relay.sql")),
    (3, "gateway", include_str!("../migrations/0003_gateway.sql")),
    (4, "data circle", include_str!("../migrations/0004_data_circle.sql")),
    (5, "training keys", include_str!("../migrations/0005_training_keys.sql")),
    (6, "relay uses", include_str!("../migrations/0006_relay_uses.sql")),
    (7, "events and lineage", include_str!("../migrations/0007_events_and_lineage.sql")),
    (8, "leases", include_str!("../migrations/0008_leases.sql")),
    (9, "batches and signers", include_str!("../migrations/0009_batches_and_signers.sql")),
];

/// Every step, in order. Who runs them holds a lock already.
pub(crate) fn all(dialect: Dialect) -> Migrator {
    let step = |(version, name, sql): (i64, &'static str, &'static str)| {
        let sql = AssertSqlSafe(dialect.schema(sql)).into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    };
    let mut steps = Migrator::with_migrations(FILES.iter().copied().map(step).collect());
    steps.set_locking(false);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_the_folder_is_a_step_and_no_other() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed: Vec<String> = FILES
            .iter()
            .map(|(version, name, _)| format!("{version:04}_{}.sql", name.replace(' ', "_")))
            .collect();
        assert_eq!(listed, files);
        for (step, (_, name, sql)) in all(Dialect::Sqlite).iter().zip(FILES.iter().copied()) {
            assert_eq!((step.description.as_ref(), step.sql.as_str()), (name, sql));
        }
    }
    #[tokio::test]
    async fn a_database_of_before_is_brought_up_to_date_and_keeps_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let pool =
            crate::connect(&format!("sqlite:{}", folder.path().join("old.db").display())).await.unwrap();
        let mut old = pool.acquire().await.unwrap();
        all(Dialect::Sqlite).run_direct(Some(7), &mut *old, false).await.unwrap();
        let row = "insert into undone_blocks values (1, x'01', 0, x'00')";
        sqlx::query(row).execute(&mut *old).await.unwrap();
        drop(old);
        crate::migrate(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let rows = sqlx::query("select * from undone_blocks").fetch_all(&mut *conn).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert!(crate::lease::find(&mut conn, crate::Tables::Chain).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn services_that_start_together_make_the_schema_once() {
        let url = match crate::database::postgres_url() {
            Ok(url) => url,
            Err(reason) => {
                return crate::database::skipped("migrations::services_that_start_together", &reason);
            }
        };
        let start = || async { crate::migrate(&crate::connect(&url).await.unwrap()).await };
        let all = futures::future::join_all((0..4).map(|_| start())).await;
        for made in all {
            made.unwrap();
        }
    }
}
