//! The schema's steps, one file each in `migrations/`, compiled in. It runs none of them.
//!
//! A list instead of sqlx's macro: that one builds SQLite a second time for the compiler's own use.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

const FILES: [(i64, &str, &str); 7] = [
    (1, "chain", include_str!("../migrations/0001_chain.sql")),
    (2, "relay", include_str!("../migrations/0002_relay.sql")),
    (3, "gateway", include_str!("../migrations/0003_gateway.sql")),
    (4, "data circle", include_str!("../migrations/0004_data_circle.sql")),
    (5, "training keys", include_str!("../migrations/0005_training_keys.sql")),
    (6, "relay uses", include_str!("../migrations/0006_relay_uses.sql")),
    (7, "events and lineage", include_str!("../migrations/0007_events_and_lineage.sql")),
];

/// Every step, in order.
pub(crate) fn all() -> Migrator {
    let step = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    Migrator::with_migrations(FILES.into_iter().map(step).collect())
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
        for (step, (_, name, sql)) in all().iter().zip(FILES) {
            assert_eq!((step.description.as_ref(), step.sql.as_str()), (name, sql));
        }
    }
}
