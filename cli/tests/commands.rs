//! Commands that operators type, against the running network of `offsetdata dev` and against wrong settings: exit codes, what
//! they say, and that they say no secret. One file a command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod network;

mod commands {
    mod collection_car;
    mod gateway_check;
    mod relayer_withdraw;
    mod worker_check;
}
