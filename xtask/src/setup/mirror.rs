//! Where this machine gets Debian's packages from.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::process;

/// Where Debian's keys are, on Debian.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Names another mirror than the one that apt is configured for.
const MIRROR: &str = "RPCGUARD_DEBIAN_MIRROR";

/// Debian's keys, where they are known to be.
pub(crate) fn keyring() -> Option<&'static str> {
    Path::new(KEYRING).is_file().then_some(KEYRING)
}

/// Where this machine gets Debian's packages from.
pub(crate) fn mirror() -> Result<String> {
    if let Ok(mirror) = std::env::var(MIRROR) {
        return Ok(mirror);
    }
    let listed = process::output(process::command("apt-get").args([
        "indextargets",
        "--no-release-info",
        "--format",
        "$(SITE) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    ]))
    .context("cannot ask apt where this machine gets its packages from")?;
    mirror_in(&listed).with_context(|| {
        format!("apt is not configured for a mirror of Debian; name one in {MIRROR}")
    })
}

/// The site of a whole release of Debian, among lines of site, release and component. Updates and
/// backports have a hyphen in their names, and other people's archives are not called debian.
fn mirror_in(listed: &str) -> Option<String> {
    listed.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (site, release, component) = (words.next()?, words.next()?, words.next()?);
        let is_debian = site.trim_end_matches('/').ends_with("/debian");
        (is_debian && component == "main" && !release.contains(['-', '/'])).then(|| site.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::mirror_in;

    #[test]
    fn the_mirror_is_that_of_a_whole_release_of_debian() {
        let listed = "https://example.org/node nodistro main\n\
                      http://mirror.example/debian-security bookworm-security main\n\
                      http://mirror.example/debian bookworm-updates main\n\
                      http://mirror.example/debian bookworm contrib\n\
                      http://other.example/debian bookworm main\n";
        assert_eq!(
            mirror_in(listed).as_deref(),
            Some("http://other.example/debian")
        );
        assert_eq!(mirror_in("https://example.org/node nodistro main\n"), None);
    }
}
