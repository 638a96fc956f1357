//! Whether the thread's stack is nearly used up: a cached function that calls itself takes more of it a level than Python
//! counts, so its limit of recursion is not enough.
#![allow(unsafe_code)]

/// What is left for the function and for what is looked at before the next level, which looks again.
const RESERVE: usize = 256 * 1024;

thread_local! {
    /// The address below which a computation does not begin; 0 where nobody knows.
    static LOWEST: usize = lowest();
}

pub fn is_short() -> bool {
    let here = 0_u8;
    (&raw const here).addr() < LOWEST.with(|lowest| *lowest)
}

#[cfg(target_os = "linux")]
fn lowest() -> usize {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut end, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes are read and destroyed only if the first call has made them.
    let known = unsafe {
        libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) == 0 && {
            let read = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut end, &raw mut size) == 0;
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            read
        }
    };
    if known { end.addr() + RESERVE.min(size / 4) } else { 0 }
}

#[cfg(not(target_os = "linux"))]
fn lowest() -> usize {
    0
}
