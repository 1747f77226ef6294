//! Names an instance so that others on the same machine can tell whether its process still lives: after a kill nobody has to wait
//! for the end of its lease. It signals no process and reads nothing but /proc.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

/// Names a new instance in this process: the machine since its start, the namespace of process numbers, number and start of the
/// process, and the instance within it.
pub fn this() -> String {
    let instance = RandomState::new().build_hasher().finish();
    let pid = std::process::id();
    match (place(), life(pid)) {
        (Some(place), Some(life)) => format!("{place}/{pid}/{}/{instance:016x}", life.started),
        _ => format!("elsewhere/{instance:016x}"),
    }
}

/// Whether the process of a holder is known to be gone. What can't be known is not.
pub(crate) fn is_gone(holder: &str) -> bool {
    let mut parts = holder.rsplitn(4, '/');
    let (_, started, pid, place_of) = (parts.next(), parts.next(), parts.next(), parts.next());
    let Some(((started, pid), place_of)) = started.zip(pid.and_then(|pid| pid.parse().ok())).zip(place_of)
    else {
        return false;
    };
    if place().as_deref() != Some(place_of) {
        return false;
    }
    // A place is known where /proc is there, so a process that is not in it is gone.
    life(pid).is_none_or(|life| life.has_ended || life.started != started)
}

fn place() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.to_str()?))
}

struct Life {
    started: String,
    has_ended: bool,
}

/// See proc_pid_stat(5): the name of the program stands in brackets and may hold any of them.
fn life(pid: u32) -> Option<Life> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let has_ended = matches!(fields.next()?, "Z" | "X" | "x");
    Some(Life { started: fields.nth(18)?.to_owned(), has_ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_until_it_ends() {
        let ours = this();
        assert!(!is_gone(&ours));
        assert_ne!(ours, this(), "two instances in one process are two");
        for unknown in ["", "///", "elsewhere/0", "a/b/1/2/3", "process 7"] {
            assert!(!is_gone(unknown), "{unknown}");
        }
        let place = place().unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let holder = format!("{place}/{}/{}/0", child.id(), life(child.id()).unwrap().started);
        assert!(!is_gone(&holder));
        child.kill().unwrap();
        let ended = std::time::Instant::now() + std::time::Duration::from_secs(10);
        // Killed and not yet waited for, it is a zombie.
        while !is_gone(&holder) {
            assert!(std::time::Instant::now() < ended, "a killed process still lives");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.wait().unwrap();
        assert!(is_gone(&holder));
        assert!(
            is_gone(&format!("{place}/{}/{}/0", std::process::id(), 1)),
            "the number was given to another process"
        );
    }
}
