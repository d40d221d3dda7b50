//! How a template forks into the namespaces of a sandbox, with one copy of its memory.
//!
//! Three processes are needed: a user namespace is entered for good, so the template cannot; a pid namespace is entered
//! by children only; and whose parent was outside of it is nobody's child inside. As ordinary forks two of them would be
//! copies of the whole template that end at once. Here these two borrow its memory and each a stack of its own while the
//! template waits, as after `vfork`: only the third, which stays, is a fork. It goes on where the template called.
//!
//! A library for the template's interpreter: no `std`, nothing of any C library, and built by `build.rs` of the sandbox.
//! Only a process with one thread may call it.

#![no_std]

use core::arch::{asm, naked_asm};
use core::ffi::c_int;

/// Of `asm/unistd_64.h`.
const SYS_CLONE: usize = 56;
const SYS_WAIT4: usize = 61;
const SYS_EXIT_GROUP: usize = 231;
const SYS_SETNS: usize = 308;
const SYS_RSEQ: usize = 334;

/// Of `linux/sched.h` and `signal.h`: share the memory, wait until it is given back, tell of the end.
const BORROWING: usize = 0x100 | 0x4000 | 17;
/// What every C library registers its restartable sequences with on this machine.
const RSEQ_LENGTH: usize = 32;
const RSEQ_SIGNATURE: usize = 0x5305_3053;

/// Bytes of the stack of a borrower. The second calls `fork` of the C library with the handlers that others left there.
const STACK: usize = 256 * 1024;

#[repr(C, align(16))]
struct Stack([u8; STACK]);

static mut ON_THE_WAY: Stack = Stack([0; STACK]);
static mut INSIDE: Stack = Stack([0; STACK]);

/// What is to be done. The interpreter fills all but `place` and `failed`.
#[repr(C)]
pub struct Errand {
    /// Where the caller goes on: rbx, rbp, r12, r13, r14, r15, rsp.
    place: [usize; 7],
    /// The namespaces, in the order in which they are entered.
    descriptors: *const c_int,
    count: usize,
    /// The C library's.
    fork: extern "C" fn() -> c_int,
    /// Where the thread's restartable sequences are from its thread pointer; 0 when it has none.
    rseq: isize,
    /// The error number of what could not be done.
    failed: c_int,
}

/// Forks. In the fork, 0; in the caller, the id of a child to be waited for, or a negative error number.
///
/// # Safety
/// `errand` points to one that is filled; the process has one thread.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn danbi_fork(errand: *mut Errand) -> isize {
    naked_asm!(
        "mov [rdi], rbx",
        "mov [rdi + 8], rbp",
        "mov [rdi + 16], r12",
        "mov [rdi + 24], r13",
        "mov [rdi + 32], r14",
        "mov [rdi + 40], r15",
        "mov [rdi + 48], rsp",
        "jmp {send}",
        send = sym send,
    )
}

/// Returns a second time from [`danbi_fork`], in the fork: its stack is as it was at the call.
#[unsafe(naked)]
unsafe extern "C" fn arrive(errand: *const Errand) -> ! {
    naked_asm!(
        "mov rbx, [rdi]",
        "mov rbp, [rdi + 8]",
        "mov r12, [rdi + 16]",
        "mov r13, [rdi + 24]",
        "mov r14, [rdi + 32]",
        "mov r15, [rdi + 40]",
        "mov rsp, [rdi + 48]",
        "xor eax, eax",
        "ret",
    )
}

/// Runs `program` in a process that borrows this one's memory, on the stack that ends at `stack`; returns when it has
/// ended, with its id or a negative error number.
#[unsafe(naked)]
unsafe extern "C" fn borrow(
    flags: usize,
    stack: *mut Stack,
    program: unsafe extern "C" fn(*mut Errand) -> !,
    errand: *mut Errand,
) -> isize {
    naked_asm!(
        "sub rsi, 16",
        "mov [rsi], rdx",
        "mov [rsi + 8], rcx",
        "xor edx, edx",
        "xor r10d, r10d",
        "xor r8d, r8d",
        "mov eax, {clone}",
        "syscall",
        "test rax, rax",
        "jz 2f",
        "ret",
        "2:",
        "xor ebp, ebp",
        "pop rax",
        "pop rdi",
        "call rax",
        "ud2",
        clone = const SYS_CLONE,
    )
}

unsafe extern "C" fn send(errand: *mut Errand) -> isize {
    // SAFETY: the stack is used by one process at a time, because the caller has one thread, which waits.
    unsafe { borrow(BORROWING, (&raw mut ON_THE_WAY).add(1), enter, errand) }
}

/// The first borrower: enters the namespaces, whose next child is in the pid namespace.
unsafe extern "C" fn enter(errand: *mut Errand) -> ! {
    // SAFETY: the interpreter filled the errand, and waits.
    unsafe {
        for at in 0..(*errand).count {
            let entered = call(SYS_SETNS, [*(*errand).descriptors.add(at) as usize, 0, 0, 0]);
            if entered < 0 {
                (*errand).failed = -entered as c_int;
                end(1);
            }
        }
        let child = borrow(BORROWING, (&raw mut INSIDE).add(1), leave_a_child, errand);
        if child < 0 {
            (*errand).failed = -child as c_int;
            end(1);
        }
        call(SYS_WAIT4, [child as usize, 0, 0, 0]);
        end(0);
    }
}

/// The second borrower: its child is inside, and becomes init's when this process ends.
unsafe extern "C" fn leave_a_child(errand: *mut Errand) -> ! {
    // SAFETY: as above; the C library's `fork` is called as its caller would have called it, on another stack.
    unsafe {
        let pid = ((*errand).fork)();
        if pid == 0 {
            // Who borrows memory has no restartable sequences, and so its fork has none.
            if (*errand).rseq != 0 {
                let thread: usize;
                asm!("mov {}, fs:0", out(reg) thread, options(nostack, readonly, preserves_flags));
                let place = thread.wrapping_add_signed((*errand).rseq);
                call(SYS_RSEQ, [place, RSEQ_LENGTH, 0, RSEQ_SIGNATURE]);
            }
            arrive(errand);
        }
        if pid < 0 {
            // The number itself is the interpreter's to find: EAGAIN stands for "no more processes".
            (*errand).failed = 11;
        }
        end(0)
    }
}

fn end(code: usize) -> ! {
    loop {
        // SAFETY: ends this process and touches no memory.
        unsafe { call(SYS_EXIT_GROUP, [code, 0, 0, 0]) };
    }
}

/// A system call; what goes wrong is a negative error number.
///
/// # Safety
/// That of the call.
unsafe fn call(number: usize, arguments: [usize; 4]) -> isize {
    let result: isize;
    // SAFETY: the kernel changes rcx, r11 and the result, and memory as the call says.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    end(1)
}
