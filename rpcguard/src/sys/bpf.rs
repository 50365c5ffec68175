//! bpf(2) commands that aya has no call for: batches of map elements, and links as such.
#![expect(unsafe_code, reason = "bpf(2)")]

use std::{
    ffi::{CString, c_char},
    io, mem,
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use aya::Pod;
use aya_obj::generated::{
    BPF_F_MMAPABLE, bpf_attach_type, bpf_attr, bpf_cmd, bpf_link_info, bpf_link_type, bpf_map_type,
};

/// The kernel's internal ENOTSUPP, which bpf(2) lets out for batches on maps that have none.
const ENOTSUPP: i32 = 524;

/// How many elements go into one system call.
pub(crate) const BATCH: usize = 1 << 14;

/// What an XDP link is attached to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct XdpLink {
    pub(crate) id: u32,
    pub(crate) program_id: u32,
    /// Zero once the interface is gone.
    pub(crate) ifindex: u32,
}

fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i32> {
    // SAFETY: attr is a valid bpf_attr of the size that is passed; the callers made sure that the
    // pointers in it fit the command.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as i32,
            std::ptr::from_mut(attr),
            size_of::<bpf_attr>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result as i32)
    }
}

fn zeroed_attr() -> bpf_attr {
    // SAFETY: bpf_attr is a union of integers and arrays of them.
    unsafe { mem::zeroed() }
}

/// Opens a pinned object.
pub(crate) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    let fd = bpf(bpf_cmd::BPF_OBJ_GET, &mut attr)?;
    // SAFETY: bpf(2) just returned this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Pins an object.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    attr.__bindgen_anon_4.bpf_fd = object.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_OBJ_PIN, &mut attr)?;
    Ok(())
}

/// Creates an array of one element that can be [mapped](super::mapped) into memory (Linux 5.5), and whose
/// element programs can reach by its address (Linux 5.2).
pub(crate) fn create_mappable(name: &str, value_size: usize) -> io::Result<OwnedFd> {
    let mut map_name = [0; 16];
    // The last one stays zero.
    for (to, from) in map_name[..15].iter_mut().zip(name.bytes()) {
        *to = from as c_char;
    }
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_1.map_type = bpf_map_type::BPF_MAP_TYPE_ARRAY as u32;
    attr.__bindgen_anon_1.key_size = size_of::<u32>() as u32;
    attr.__bindgen_anon_1.value_size = value_size as u32;
    attr.__bindgen_anon_1.max_entries = 1;
    attr.__bindgen_anon_1.map_flags = BPF_F_MMAPABLE;
    attr.__bindgen_anon_1.map_name = map_name;
    let fd = bpf(bpf_cmd::BPF_MAP_CREATE, &mut attr)?;
    // SAFETY: bpf(2) just returned this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches an XDP program to an interface (Linux 5.9). It is taken off when the last descriptor of the link
/// is closed, unless that is pinned. aya's call falls back to an attachment that stays.
pub(crate) fn create_xdp_link(
    program: BorrowedFd<'_>,
    ifindex: u32,
    flags: u32,
) -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.__bindgen_anon_2.target_ifindex = ifindex;
    attr.link_create.attach_type = bpf_attach_type::BPF_XDP as u32;
    attr.link_create.flags = flags;
    let fd = bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr)?;
    // SAFETY: bpf(2) just returned this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The XDP link that has a program, wherever it is pinned or open (Linux 5.8). It takes CAP_SYS_ADMIN.
pub(crate) fn link_of_program(program_id: u32) -> io::Result<Option<OwnedFd>> {
    let mut id = 0;
    loop {
        let mut attr = zeroed_attr();
        attr.__bindgen_anon_6.__bindgen_anon_1.start_id = id;
        match bpf(bpf_cmd::BPF_LINK_GET_NEXT_ID, &mut attr) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            result => result?,
        };
        // SAFETY: bpf(2) just wrote it.
        id = unsafe { attr.__bindgen_anon_6.next_id };
        let mut attr = zeroed_attr();
        attr.__bindgen_anon_6.__bindgen_anon_1.link_id = id;
        let fd = match bpf(bpf_cmd::BPF_LINK_GET_FD_BY_ID, &mut attr) {
            // It has just gone, or is not quite there yet.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EAGAIN)) => {
                continue;
            }
            result => result?,
        };
        // SAFETY: bpf(2) just returned this descriptor, and nobody else has it.
        let link = unsafe { OwnedFd::from_raw_fd(fd) };
        let info = link_info(link.as_fd())?;
        if info.type_ == bpf_link_type::BPF_LINK_TYPE_XDP as u32 && info.prog_id == program_id {
            return Ok(Some(link));
        }
    }
}

/// Asks what `link` is attached to.
pub(crate) fn xdp_link(link: BorrowedFd<'_>) -> io::Result<XdpLink> {
    let info = link_info(link)?;
    Ok(XdpLink {
        id: info.id,
        program_id: info.prog_id,
        // SAFETY: the callers only ask about links of type XDP, whose part of the union this is;
        // and any bits are a valid u32.
        ifindex: unsafe { info.__bindgen_anon_1.xdp.ifindex },
    })
}

fn link_info(link: BorrowedFd<'_>) -> io::Result<bpf_link_info> {
    // SAFETY: bpf_link_info consists of integers.
    let mut info: bpf_link_info = unsafe { mem::zeroed() };
    let mut attr = zeroed_attr();
    attr.info.bpf_fd = link.as_raw_fd() as u32;
    attr.info.info = std::ptr::from_mut(&mut info) as u64;
    attr.info.info_len = size_of::<bpf_link_info>() as u32;
    bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info)
}

/// Takes a program off what it is attached to, at once (Linux 5.9). Closing the last descriptor, or
/// removing the last pin, does so some time later.
pub(crate) fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = zeroed_attr();
    attr.link_detach.link_fd = link.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_LINK_DETACH, &mut attr)?;
    Ok(())
}

/// Whether a batch command failed because the map's type has no batches, as LPM tries before Linux
/// 5.13. Nothing was done then, and no count was written back.
fn lacks_batches(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENOTSUPP | libc::EOPNOTSUPP))
}

/// Inserts or updates many elements. `Ok(false)` if the kernel has no batches for this map, and
/// nothing was done; after an error, some elements may have been written.
pub(crate) fn update_batch<K: Pod, V: Pod>(
    map: BorrowedFd<'_>,
    elements: &[(K, V)],
) -> io::Result<bool> {
    for chunk in elements.chunks(BATCH) {
        let keys: Vec<K> = chunk.iter().map(|(key, _)| *key).collect();
        let values: Vec<V> = chunk.iter().map(|(_, value)| *value).collect();
        let mut attr = batch_attr(
            map,
            keys.as_ptr() as u64,
            values.as_ptr() as u64,
            chunk.len(),
        );
        match bpf(bpf_cmd::BPF_MAP_UPDATE_BATCH, &mut attr) {
            Ok(_) => {}
            Err(error) if lacks_batches(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Deletes many elements. `Ok(false)` as for [`update_batch`].
pub(crate) fn delete_batch<K: Pod>(map: BorrowedFd<'_>, keys: &[K]) -> io::Result<bool> {
    for chunk in keys.chunks(BATCH) {
        let mut attr = batch_attr(map, chunk.as_ptr() as u64, 0, chunk.len());
        match bpf(bpf_cmd::BPF_MAP_DELETE_BATCH, &mut attr) {
            Ok(_) => {}
            Err(error) if lacks_batches(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Reads all elements. `Ok(None)` if the kernel has no batches for this map.
pub(crate) fn lookup_batch<K: Pod, V: Pod>(map: BorrowedFd<'_>) -> io::Result<Option<Vec<(K, V)>>> {
    let mut elements = Vec::new();
    let mut keys: Vec<K> = Vec::with_capacity(BATCH);
    let mut values: Vec<V> = Vec::with_capacity(BATCH);
    // Where to go on: for tries and hashes, a key.
    let mut position = [0_u64; 32];
    assert!(size_of::<K>() <= size_of_val(&position));
    let mut first = true;
    loop {
        let mut attr = batch_attr(
            map,
            keys.as_mut_ptr() as u64,
            values.as_mut_ptr() as u64,
            BATCH,
        );
        let place = position.as_mut_ptr() as u64;
        attr.batch.in_batch = if first { 0 } else { place };
        attr.batch.out_batch = place;
        let result = bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr);
        // SAFETY: bpf(2) wrote a count back, or left the one that was there.
        let count = unsafe { attr.batch.count } as usize;
        let done = match result {
            Ok(_) => false,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
            Err(error) if first && lacks_batches(&error) => return Ok(None),
            // Elements were deleted meanwhile, more than older kernels put up with.
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {
                elements.clear();
                first = true;
                continue;
            }
            Err(error) => return Err(error),
        };
        // SAFETY: the kernel wrote `count` keys, which is at most the capacity.
        unsafe { keys.set_len(count) };
        // SAFETY: as for the keys.
        unsafe { values.set_len(count) };
        elements.extend(keys.iter().copied().zip(values.iter().copied()));
        if done {
            return Ok(Some(elements));
        }
        first = false;
    }
}

fn batch_attr(map: BorrowedFd<'_>, keys: u64, values: u64, count: usize) -> bpf_attr {
    let mut attr = zeroed_attr();
    attr.batch.map_fd = map.as_raw_fd() as u32;
    attr.batch.keys = keys;
    attr.batch.values = values;
    attr.batch.count = count as u32;
    attr
}
