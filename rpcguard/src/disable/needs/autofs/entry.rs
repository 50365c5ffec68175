//! Entries of maps in the format of Sun: `key [-options] location...`, where several may be mounted
//! below one key, each at an offset.

use super::super::options;

/// A place that an entry mounts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// `host:/path`, or another map.
    pub(super) source: String,
    /// Below the key.
    pub(super) offset: String,
    /// The options of the entry, followed by those of the offset.
    pub(super) options: Vec<String>,
}

impl Location {
    /// The type of file system, `nfs` if nothing is said.
    pub(super) fn kind<'a>(&'a self, inherited: &'a [String]) -> &'a str {
        let kind = |options: &'a [String]| {
            let mut options = options.iter().rev();
            options.find_map(|option| option.strip_prefix("fstype="))
        };
        let said = kind(&self.options).or_else(|| kind(inherited));
        // Without a host, the location is on this machine.
        said.unwrap_or(if self.source.starts_with([':', '/']) {
            "none"
        } else {
            "nfs"
        })
    }
}

/// The locations of an entry, from the words behind its key.
pub(super) fn locations(words: &[String]) -> Vec<Location> {
    let mut found = Vec::new();
    let mut common = Vec::new();
    let mut own: Option<Vec<String>> = None;
    let mut offset = "";
    let mut continues = false;
    for word in words {
        // Options that end with a comma go on in the next word: a line was joined there.
        let is_continuation = continues;
        continues = (is_continuation || word.starts_with('-')) && word.ends_with(',');
        if is_continuation {
            own.as_mut()
                .unwrap_or(&mut common)
                .extend(options::split(word));
        } else if let Some(options) = word.strip_prefix('-') {
            own.as_mut()
                .unwrap_or(&mut common)
                .extend(options::split(options));
        } else if word.starts_with('/') && !word.contains(':') {
            offset = word;
            own = Some(Vec::new());
        } else {
            let own = own.get_or_insert_default();
            found.push(Location {
                source: word.clone(),
                offset: offset.to_owned(),
                options: [common.as_slice(), own.as_slice()].concat(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::words, locations};

    #[test]
    fn entries_have_options_offsets_and_locations() {
        let found = |line: &str| -> Vec<String> {
            let found = locations(&words::split(line));
            let text = |one: super::Location| {
                let kind = one.kind(&[]).to_owned();
                format!(
                    "{kind} {}{} {}",
                    one.source,
                    one.offset,
                    one.options.join(",")
                )
            };
            found.into_iter().map(text).collect()
        };
        assert_eq!(found("nas:/home/&"), ["nfs nas:/home/& "]);
        assert_eq!(
            found("-rw,vers=3 nas:/x bak:/x"),
            ["nfs nas:/x rw,vers=3", "nfs bak:/x rw,vers=3"]
        );
        assert_eq!(
            found("-rw / -vers=3 nas:/x /sub -fstype=nfs4 nas:/y"),
            ["nfs nas:/x/ rw,vers=3", "nfs4 nas:/y/sub rw,fstype=nfs4"]
        );
        assert_eq!(
            found("-fstype=iso9660,ro :/dev/sr0"),
            ["iso9660 :/dev/sr0 fstype=iso9660,ro"]
        );
        assert_eq!(found(":/srv"), ["none :/srv "]);
        assert_eq!(found("-ro $HOST:/x"), ["nfs $HOST:/x ro"]);
    }
}
