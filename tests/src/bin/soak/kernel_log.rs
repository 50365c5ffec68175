//! What the kernel complains about.

use std::{
    fs::File,
    io::{ErrorKind, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
};

use anyhow::{Context as _, Result};

/// The least serious level that is a complaint: KERN_WARNING.
const WARNING: u32 = 4;

/// Follows /dev/kmsg from its present end.
pub(crate) struct KernelLog(File);

impl KernelLog {
    pub(crate) fn follow() -> Result<Self> {
        let mut file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .context("cannot read the kernel's log")?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self(file))
    }

    /// The complaints since the last time.
    pub(crate) fn complaints(&mut self) -> Result<Vec<String>> {
        let mut complaints = Vec::new();
        // Each read returns one record, which is no longer than this.
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&record[..length]);
                    complaints.extend(complaint(&text));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(complaints),
                // Records were lost: that many are a complaint.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    complaints.push("the log overflowed".to_owned());
                }
                Err(error) => return Err(error).context("cannot read the kernel's log"),
            }
        }
    }
}

/// The text of a record (`priority,sequence,time,flags;text`) if it is the kernel's own complaint.
fn complaint(record: &str) -> Option<String> {
    let (head, text) = record.split_once(';')?;
    let priority: u32 = head.split(',').next()?.parse().ok()?;
    let (facility, level) = (priority >> 3, priority & 7);
    (facility == 0 && level <= WARNING).then(|| text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn only_the_kernels_own_warnings_and_worse_are_complaints() {
        let text = |record| complaint(record);
        assert_eq!(text("4,1,2,-;WARNING: CPU"), Some("WARNING: CPU".into()));
        assert_eq!(text("3,1,2,-;BUG: oops\n"), Some("BUG: oops".into()));
        assert_eq!(text("6,1,2,-;eth0: renamed"), None);
        assert_eq!(text("12,1,2,-;somebody else's warning"), None);
    }
}
