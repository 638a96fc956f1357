//! The clock of deadlines: Python's `time.monotonic_ns`, on Linux by its last tick, which is a few milliseconds behind
//! at most and several times cheaper to read.

/// Nanoseconds of the monotonic clock.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[inline(always)]
pub(super) fn now() -> u64 {
    const CLOCK_MONOTONIC_COARSE: i32 = 6;
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the call fills the struct, whose layout is that of 64-bit Linux; it cannot fail for this clock.
    unsafe { clock_gettime(CLOCK_MONOTONIC_COARSE, &raw mut time) };
    time.seconds as u64 * 1_000_000_000 + time.nanoseconds as u64
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(super) fn now() -> u64 {
    #[cfg(Py_3_13)]
    {
        unsafe extern "C" {
            fn PyTime_MonotonicRaw(time: *mut i64) -> i32;
        }
        let mut time = 0;
        // SAFETY: the call fills the integer.
        unsafe { PyTime_MonotonicRaw(&raw mut time) };
        time as u64
    }
    #[cfg(not(Py_3_13))]
    {
        unsafe extern "C" {
            fn _PyTime_GetMonotonicClock() -> i64;
        }
        // SAFETY: CPython up to 3.12 exports this function, which has no arguments.
        unsafe { _PyTime_GetMonotonicClock() as u64 }
    }
}
