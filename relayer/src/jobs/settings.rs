//! How long and how often. It holds no key.

/// Settings of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct JobSettings {
    /// A job whose worker is not heard for so many seconds goes to another one.
    #[arg(long, env = "OFFSETDATA_LEASE_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..=3600))]
    pub lease_seconds: u32,
    /// Workers are asked to send a heartbeat this often.
    #[arg(long, env = "OFFSETDATA_HEARTBEAT_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1200))]
    pub heartbeat_seconds: u32,
    /// Seconds in which the first commitment of an attempt has to land.
    #[arg(long, env = "OFFSETDATA_ASSIGNMENT_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(10..=86_400))]
    pub assignment_seconds: u32,
    /// A job that was tried so often is given up.
    #[arg(long, env = "OFFSETDATA_MAX_ATTEMPTS", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=200))]
    pub max_attempts: u8,
    /// Seconds that one attempt may run; before its end the worker is asked for a checkpoint, and then another attempt goes
    /// on from there.
    #[arg(long, env = "OFFSETDATA_RUN_SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(10..=31_536_000))]
    pub run_seconds: u32,
    /// Seconds that a job may wait for a worker before it is given up.
    #[arg(long, env = "OFFSETDATA_QUEUE_SECONDS", default_value_t = 604_800, value_parser = clap::value_parser!(u32).range(10..=31_536_000))]
    pub queue_seconds: u32,
    /// Seconds from the intake of a request after which its job is given up.
    #[arg(long, env = "OFFSETDATA_TOTAL_SECONDS", default_value_t = 2_592_000, value_parser = clap::value_parser!(u32).range(10..=31_536_000))]
    pub total_seconds: u32,
    /// Land `expire` for requests whose time has passed, so that their users get the rest back. Nobody pays a fee for it.
    #[arg(long, env = "OFFSETDATA_EXPIRE")]
    pub expire: bool,
    /// Hand out no new work and ask for checkpoints: for a maintenance.
    #[arg(long, env = "OFFSETDATA_DRAIN")]
    pub drain: bool,
    /// Seconds after which a worker has to say hello again.
    #[arg(long, env = "OFFSETDATA_SESSION_SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(60..=604_800))]
    pub session_seconds: u32,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            lease_seconds: 30,
            heartbeat_seconds: 10,
            assignment_seconds: 600,
            max_attempts: 5,
            run_seconds: 86_400,
            queue_seconds: 604_800,
            total_seconds: 2_592_000,
            expire: false,
            drain: false,
            session_seconds: 86_400,
        }
    }
}
