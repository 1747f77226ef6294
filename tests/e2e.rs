//! The circle in real processes under kills, reorgs and faults. Each case has its file, and all end with the same check:
//! `network::check`. What one room can show alone is tested there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

/// So that the names of all cases begin alike, and one word chooses or leaves out all of them.
mod e2e {
    mod expire;
    mod faults;
    mod kills;
    mod network;
    mod purses;
    mod reorgs;
    mod spam;
    mod worker_resume;
}
