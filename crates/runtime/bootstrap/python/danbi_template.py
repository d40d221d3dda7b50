"""Makes this process a template: it has imported the handler, stops, and is forked for each new environment.

A fork enters the namespaces of its own sandbox, which the platform hands over, and gives up the right to enter any
before anything of the function runs in it. Then it waits for the letter with its variables: from there on it is an
environment. What cannot be shared by two environments
(threads, sockets, files, a used /tmp) makes the process unfit; the reason goes to the platform, which then starts
environments as usual.
"""

import ctypes
import gc
import os
import sys
from _socket import AF_UNIX, SOCK_SEQPACKET
from _socket import socket as _socket

_CONTROL = 3
# Namespaces user, mnt, net, ipc, uts and pid, standard output, standard error, the birth socket, the letter box.
_DESCRIPTORS = 10
_NAMESPACES = 6
_MAX_LETTER = 128 * 1024
# What comes before the letter, while it waits: addresses and lengths of memory (`crates/sandbox/src/pages.rs`).
_NO_LETTER = bytes(8)
_MADV_POPULATE_WRITE = 23

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_SYS_SETNS = {"x86_64": 308, "aarch64": 268}
_SYS_CLONE = {"x86_64": 56, "aarch64": 220}
_SIGCHLD = 17
_EPERM = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = (ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int)


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint)]


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.POINTER(_Instruction))]


def _no_more_namespaces():
    """The filter that takes back what the template's own filter allows more than any program's."""
    program = (_Instruction * 4)(
        _Instruction(0x20, 0, 0, 0),  # load the number of the system call
        _Instruction(0x15, 0, 1, _SYS_SETNS[os.uname().machine]),
        _Instruction(0x06, 0, 0, 0x00050000 | _EPERM),
        _Instruction(0x06, 0, 0, 0x7FFF0000),
    )
    return _Filter(4, program)


_FILTER = _no_more_namespaces()
# Version 3 of the header; of this process; three empty sets of 64 capabilities.
_CAPABILITY_HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()


def _check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (what, os.strerror(number)))
    return result


class _Errand(ctypes.Structure):
    """What the sandbox's library is asked to do, in its own words (`crates/sandbox/birth`)."""

    _fields_ = [
        ("place", ctypes.c_size_t * 7),
        ("descriptors", ctypes.POINTER(ctypes.c_int)),
        ("count", ctypes.c_size_t),
        ("fork", ctypes.c_void_p),
        ("rseq", ctypes.c_ssize_t),
        ("failed", ctypes.c_int),
    ]


def _borrowing():
    """The library's fork, which copies this process once. `None` where there is none: not on this machine."""
    try:
        fork = ctypes.PyDLL(os.path.join(os.path.dirname(__file__), "danbi_birth.so")).danbi_fork
    except OSError:
        return None
    fork.restype = ctypes.c_ssize_t
    return fork


_BORROWING = _borrowing()


def _rseq():
    """Where the C library keeps the thread's restartable sequences, when it does."""
    try:
        in_use = ctypes.c_uint.in_dll(_libc, "__rseq_size").value
        return ctypes.c_ssize_t.in_dll(_libc, "__rseq_offset").value if in_use else 0
    except ValueError:
        return 0


def _fork_into(namespaces):
    """Forks into the namespaces of a sandbox. True in the fork that has arrived there."""
    if _BORROWING is None:
        return _fork_by_copies(namespaces)
    errand = _Errand(
        descriptors=(ctypes.c_int * len(namespaces))(*namespaces),
        count=len(namespaces),
        fork=ctypes.cast(_libc.fork, ctypes.c_void_p).value,
        rseq=_rseq(),
    )
    # What `os.fork` does around the C library's.
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    child = _BORROWING(ctypes.byref(errand))
    if child == 0:
        python.PyOS_AfterFork_Child()
        return True
    python.PyOS_AfterFork_Parent()
    if child > 0:
        os.waitpid(child, 0)
    number = errand.failed or -min(child, 0)
    if number:
        raise OSError(number, os.strerror(number))
    return False


def _fork_by_copies(namespaces):
    """The same with ordinary forks, which copy this process three times."""
    child = _pass_on()
    if child:
        os.waitpid(child, 0)
        return False
    try:
        for descriptor in namespaces:
            _check(_libc.setns(descriptor, 0), "setns")
        # A pid namespace is entered by children only, and whose parent was outside is nobody's child inside: two steps.
        if not _pass_on() and not os.fork():
            return True
    except BaseException as error:
        _tell(error)
        os._exit(1)
    os._exit(0)


def _tell(error):
    os.write(2, ("[ERROR] the template's fork could not enter its sandbox: %s\n" % error).encode())


def _pass_on():
    """A fork for a process that only goes through a door: nothing of it is told to Python or the C library."""
    return _check(_libc.syscall(_SYS_CLONE[os.uname().machine], _SIGCHLD, 0, 0, 0, 0), "fork")


def serve():
    """Answers requests to fork. Returns in each fork, once it is an environment of its own."""
    control = _socket(AF_UNIX, SOCK_SEQPACKET, 0, _CONTROL)
    reason = _unfit()
    if reason is not None:
        control.send(b"unfit " + reason.encode("utf-8", "replace")[:2000])
        os._exit(0)
    hooks = sys.modules.get("snapshot_restore_py")
    if hooks is not None:
        # AWS runs these in the reverse order of their registration.
        while hooks.get_before_snapshot():
            function, arguments, named = hooks.get_before_snapshot().pop()
            function(*arguments, **named)
    generators = _generators()
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    # The collector would write into every object's header, and so copy the pages that forks share.
    gc.freeze()
    control.send(b"ready")
    while True:
        message, descriptors = _receive(control)
        if not message:
            os._exit(0)
        try:
            arrived = _fork_into(descriptors[:_NAMESPACES])
        except OSError as error:
            arrived = False
            _tell(error)
        if arrived:
            try:
                _be_born(descriptors, generators)
            except BaseException as error:
                _tell(error)
                os._exit(1)
            control.close()
            if hooks is not None:
                for function, arguments, named in hooks.get_after_restore():
                    function(*arguments, **named)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _receive(control):
    message, beside, _, _ = control.recvmsg(64, 256)
    descriptors = []
    for _, _, data in beside:
        descriptors.extend(memoryview(data[: len(data) // 4 * 4]).cast("i"))
    if message and len(descriptors) != _DESCRIPTORS:
        raise RuntimeError("the platform lent %d descriptors" % len(descriptors))
    return message, descriptors


def _be_born(descriptors, generators):
    """Becomes a process of its sandbox alone, and takes the variables of its environment."""
    os.setsid()
    stdout, stderr, birth, letters = descriptors[_NAMESPACES:]
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for descriptor in descriptors:
        if descriptor not in (birth, letters):
            os.close(descriptor)
    _check(_libc.capset(_CAPABILITY_HEADER, _NO_CAPABILITIES), "capset")
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(_FILTER), 0, 0), "seccomp")
    os.chdir(os.environ.get("LAMBDA_TASK_ROOT", "/var/task"))
    # The platform looks whether the rights are really gone, and answers when the environment is there.
    socket = _socket(AF_UNIX, SOCK_SEQPACKET, 0, birth)
    socket.send(b"!")
    if not socket.recv(1):
        os._exit(1)
    socket.close()
    # The process on the way ends by itself; until it has, it is the parent, which must be nobody but init.
    while os.getppid() != 1:
        os.sched_yield()
    _reseed(generators)
    socket = _socket(AF_UNIX, SOCK_SEQPACKET, 0, letters)
    letter = socket.recv(_MAX_LETTER)
    while letter.startswith(_NO_LETTER):
        _copy_ahead(letter)
        letter = socket.recv(_MAX_LETTER)
    if not letter:
        os._exit(0)
    socket.close()
    _take_variables(letter)


def _copy_ahead(message):
    """Makes memory this process's own that it will write to, while nobody waits for it."""
    numbers = memoryview(message).cast("Q")
    for start, length in zip(numbers[1::2], numbers[2::2]):
        # An older kernel cannot, and what is not there is not missed.
        _libc.madvise(start, length, _MADV_POPULATE_WRITE)


def _take_variables(letter):
    fields = letter.decode("utf-8", "surrogateescape").split("\0")
    wanted = dict(zip(fields[0::2], fields[1::2]))
    environment = os.environ
    for name in list(environment):
        if name not in wanted:
            del environment[name]
    for name, value in wanted.items():
        if environment.get(name) != value:
            environment[name] = value


# --- what two environments must not share -----------------------------------------------------------------------------


def _unfit():
    """Why this process cannot be forked, with what to do about it; `None` when it can."""
    tasks = os.listdir("/proc/self/task")
    if len(tasks) > 1:
        threading = sys.modules.get("threading")
        names = [t.name for t in threading.enumerate() if t is not threading.main_thread()] if threading else []
        named = " (%s)" % ", ".join(names) if names else " made by native code"
        return "%d thread(s)%s run after initialisation; start them in the handler at its first event" % (
            len(tasks) - 1,
            named,
        )
    try:
        with open("/proc/self/task/%s/children" % tasks[0]) as children:
            if children.read().strip():
                return "a child process runs after initialisation; start it in the handler at its first event"
    except OSError:
        pass
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor <= _CONTROL:
            continue
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue
        if target.startswith(("/dev/", "/proc/")):
            continue
        if target.startswith("socket:"):
            return "a socket is open after initialisation; connect in the handler, or close it before"
        return "%s is open after initialisation; open it in the handler, or close it before" % target
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split(None, 5)
            if fields[1][1] == "w" and fields[1][3] == "s":
                return "memory is shared (%s) after initialisation" % (fields[5].strip() if len(fields) > 5 else "mmap")
    try:
        left = os.listdir("/tmp")
    except OSError:
        left = []
    if left:
        return "initialisation left %s in /tmp; write it in the handler, or ship it in the package" % left[0]
    return None


def _generators():
    """Random number generators of the function's own, whose sequences its environments would share."""
    found = []
    random = sys.modules.get("random")
    numpy = sys.modules.get("numpy.random")
    for thing in gc.get_objects():
        if random is not None and type(thing) is random.Random:
            found.append(thing)
    if numpy is not None:
        found.extend(thing for thing in gc.get_objects() if isinstance(thing, numpy.Generator))
    return found


def _reseed(generators):
    # `random`'s own functions and OpenSSL take care of forks themselves.
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()
    for generator in generators:
        if hasattr(generator, "bit_generator"):
            fresh = type(generator.bit_generator)()
            generator.bit_generator.state = fresh.state
        else:
            generator.seed()
