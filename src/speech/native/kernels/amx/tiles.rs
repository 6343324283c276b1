//! Permission for and shape of the tile registers.

use std::arch::asm;
use std::marker::PhantomData;
use std::sync::OnceLock;

use super::super::avx512;

/// Tells whether processor and operating system offer tiles for bf16 and int8; asks the latter for them once.
pub(in super::super) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| avx512::is_available() && has_tiles() && permit_tiles())
}

/// Source: Intel SDM, CPUID leaf 7: EDX bits 22 (AMX-BF16), 24 (AMX-TILE), 25 (AMX-INT8); leaf 0x1D palette 1.
fn has_tiles() -> bool {
    const WANTED: u32 = 1 << 22 | 1 << 24 | 1 << 25;
    let leaf = std::arch::x86_64::__cpuid_count(7, 0);
    leaf.edx & WANTED == WANTED
}

/// Asks Linux for the tile state of this process; threads started later have it too.
///
/// Source: Linux Documentation/arch/x86/xstate.rst: ARCH_REQ_XCOMP_PERM 0x1023, XFEATURE_XTILEDATA 18.
#[cfg(target_os = "linux")]
fn permit_tiles() -> bool {
    const ARCH_PRCTL: u64 = 158;
    const REQUEST_PERMISSION: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let status: i64;
    // SAFETY: the call takes two integers and touches no memory of ours; rcx and r11 are what a call destroys.
    unsafe {
        asm!("syscall", inlateout("rax") ARCH_PRCTL => status, in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    status == 0
}

#[cfg(not(target_os = "linux"))]
fn permit_tiles() -> bool {
    false
}

/// Shape of the eight tiles, as LDTILECFG reads it (Intel SDM, palette 1).
#[repr(C, align(64))]
struct Shape {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Shape {
    /// Tiles 0…3 are sums and 4, 5 operands of `rows` rows, 6 and 7 are weights of 16 rows; 64 bytes a row.
    fn new(rows: u8) -> Self {
        let mut shape =
            Self { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        shape.row_bytes[..8].fill(64);
        shape.rows[..6].fill(rows);
        shape.rows[6..8].fill(16);
        shape
    }
}

/// While it exists this thread's tiles have their shape; no tile holds a value between two kernels.
pub(in super::super) struct Session {
    rows: usize,
    /// Tiles belong to a thread.
    _not_send: PhantomData<*const ()>,
}

impl Session {
    /// Shapes the tiles for steps of at most `rows` rows. Panics if the machine has no tiles.
    pub fn new(rows: usize) -> Self {
        assert!(is_available() && rows > 0, "tiles are there");
        let rows = rows.min(16);
        let shape = Shape::new(rows as u8);
        // SAFETY: 64 bytes of a valid shape; compiled code uses no tiles, so nobody loses theirs.
        unsafe {
            asm!("ldtilecfg [{shape}]", shape = in(reg) &raw const shape,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _, options(nostack, readonly));
        }
        Self { rows, _not_send: PhantomData }
    }

    /// Rows of the operand and sum tiles.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: returns the tiles to their initial state, in which a thread switch need not save them.
        unsafe { asm!("tilerelease", options(nostack, nomem)) }
    }
}
