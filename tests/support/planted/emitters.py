"""Mutants of the choice of the emitter, of the C compiler, and of the cache of its libraries."""

from planted import mutants

EMITTER = "scan/test_emitter.py"
COMPILER, CACHE, DISK = (f"scan/c/test_{name}.py" for name in ("compiler", "cache", "disk"))

MUTANTS = [
    *mutants(
        "scan/emitter.py",
        EMITTER,
        ("chosen", "_here.blocks or _of_process", "_of_process or _here.blocks"),
        ("_in_force", "_of_process or [found]", "[found]"),
        ("_in_force", 'os.environ.get(VARIABLE) or "auto"', 'os.environ.get(VARIABLE, "auto")'),
        ("emitter.__exit__", "_here.blocks[:-1]", "()"),
        ("_Here", "class _Here(threading.local):", "class _Here:"),
        ("_warn", "if reason in _told:", "if False:"),
    ),
    *mutants(
        "scan/c/compiler.py",
        COMPILER,
        ("working", "identity(command), ", ""),
        ("working", "processor(), ", ""),
        ("working", "!= 400.0", "is None"),
        ("", '"-ffp-contract=fast"', '"-ffp-contract=on"'),
        ("native", "[[]] if march else NATIVE", "NATIVE"),
        ("native", "[[]] if level else LEVELS", "LEVELS"),
        ("working", "with failing():", "if True:"),
        ("processor", "if not VARYING.match(line)", ""),
        ("candidates", "[given] if shutil.which(given) else given.split()", "given.split()"),
        ("Compiler.key", "repr(self), ", ""),
        ("Compiler.key", ", source)", ")", CACHE),
        ("Compiler._made", "_kept(key) or ", "", CACHE),
        ("Compiler._made", " or running.owner != os.getpid()", "", CACHE),
        ("Compiler.library", "_kept(key) or ", "", CACHE),
    ),
    *mutants(
        "scan/c/cache.py",
        CACHE,
        ("library", "with lock:", "if True:"),
        ("started", "key not in _libraries and ", ""),
        ("started", "and disk.kept(key) is None", ""),
        ("started", "contextlib.suppress(CompileError)", "contextlib.nullcontext()"),
    ),
    *mutants(
        "scan/c/process.py",
        COMPILER,
        ("Running.__init__", "with uninterrupted():", "with contextlib.nullcontext():"),
        ("Running.__init__", "started.append(self.process)", "pass"),
        ("Running.__exit__", "self.end()", "pass"),
        ("Running.output", "if ERROR.search(line)", ""),
        ("Running._written", "max(SILENT, ", "max(0.0, "),
        ("end", "else os.killpg(process.pid, signal.SIGKILL)", "else process.kill()"),
        ("end", "if os.getpid() != owner:", "if False:"),
        ("temporary", "atexit.register(end, [], folder, os.getpid())", "pass"),
    ),
    *mutants(
        "scan/c/disk.py",
        DISK,
        ("kept", "(place / SEAL).read_bytes() != _seal(place)", "not place.exists()"),
        ("kept", "os.utime(place)", "pass"),
        ("keep", "shutil.rmtree(draft, ignore_errors=True)", "pass"),
        ("_look_after", "_since = 0", "pass"),
        ("_look_after", "_since >= OFTEN", "_since > OFTEN"),
        ("key", '"\\0".join(parts)', '"".join(parts)'),
        ("_trim", "key=ages.__getitem__", "key=str"),
        ("_entries", "if ENTRY.fullmatch(name)", ""),
        ("_writable", "if place.is_absolute():", "if True:"),
    ),
]
