//! A BPF array mapped into memory, to store a word in it atomically.
#![expect(unsafe_code, reason = "the memory is shared with the kernel")]

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use memmap2::{MmapOptions, MmapRaw};

/// The memory of a map created with `BPF_F_MMAPABLE` (Linux 5.5).
pub(crate) struct MappedArray {
    memory: MmapRaw,
    len: usize,
}

impl MappedArray {
    /// Maps the first `len` bytes of the array.
    pub(crate) fn new(map: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let memory = MmapOptions::new().len(len).map_raw(map.as_raw_fd())?;
        Ok(Self { memory, len })
    }

    /// Reads a 32-bit word.
    ///
    /// # Panics
    ///
    /// As for [`Self::store_u32`].
    pub(crate) fn load_u32(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::SeqCst)
    }

    /// Stores a 32-bit word, after everything that was stored before it.
    ///
    /// # Panics
    ///
    /// If `offset` is not that of an aligned word inside the array.
    pub(crate) fn store_u32(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::SeqCst);
    }

    /// Reads a 64-bit word.
    ///
    /// # Panics
    ///
    /// As for [`Self::store_u32`].
    pub(crate) fn load_u64(&self, offset: usize) -> u64 {
        self.double_word(offset).load(Ordering::SeqCst)
    }

    /// Stores a 64-bit word, after everything that was stored before it.
    ///
    /// # Panics
    ///
    /// As for [`Self::store_u32`].
    pub(crate) fn store_u64(&self, offset: usize, value: u64) {
        self.double_word(offset).store(value, Ordering::SeqCst);
    }

    /// Sets bits of a 64-bit word.
    ///
    /// # Panics
    ///
    /// As for [`Self::store_u32`].
    pub(crate) fn set_bits(&self, offset: usize, bits: u64) {
        self.double_word(offset).fetch_or(bits, Ordering::SeqCst);
    }

    fn double_word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.len);
        // SAFETY: inside the mapping, as just asserted.
        let word = unsafe { self.memory.as_mut_ptr().add(offset) }.cast::<u64>();
        // SAFETY: as in `word`.
        unsafe { AtomicU64::from_ptr(word) }
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.len);
        // SAFETY: inside the mapping, as just asserted.
        let word = unsafe { self.memory.as_mut_ptr().add(offset) }.cast::<u32>();
        // SAFETY: aligned (mappings begin at a page), live as long as self, and only accessed
        // atomically or by the kernel, which reads it as one word.
        unsafe { AtomicU32::from_ptr(word) }
    }
}
