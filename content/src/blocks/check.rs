//! Whether blocks could be read and written with these settings, for a service's `check`. It writes none and makes no folder.

use std::path::Path;

use offsetdata_protocol::check::Finding;

use super::{Kubo, KuboSettings};

/// Asks the folder, and the Kubo node where one is named.
pub async fn check(folder: &Path, settings: &KuboSettings) -> Vec<Finding> {
    let mut findings = vec![check_folder("blocks", folder)];
    let Some(url) = &settings.kubo else { return findings };
    let asked = match Kubo::new(url, settings.kubo_auth.as_ref()) {
        Ok(kubo) => kubo.version().await.map(|version| (kubo, version)),
        Err(error) => Err(error),
    };
    findings.push(match asked {
        Ok((kubo, version)) => Finding::good("Kubo", format!("{} answers, version {version}", kubo.url)),
        Err(error) if error.is_retryable() => {
            Finding::warning("Kubo", format!("{error}: does the node run? Until it does nothing is stored"))
        }
        Err(error) => Finding::bad("Kubo", error.to_string()),
    });
    findings
}

/// A folder that a service makes at its start where it is not there.
pub fn check_folder(what: &str, folder: &Path) -> Finding {
    let path = folder.display();
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => Finding::bad(what, format!("{path} is no folder")),
        Ok(_) => match std::fs::read_dir(folder) {
            Ok(_) => Finding::good(what, path.to_string()),
            Err(error) => Finding::bad(what, format!("{path}: {error}")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Finding::warning(what, format!("{path} is not there: it is made at the start"))
        }
        Err(error) => Finding::bad(what, format!("{path}: {error}")),
    }
}
