import Glibc
import Primitives
import Synchronization

/// Ends the children and removes the directories when the user ends this program.
enum Interruption {
    enum Leftover: Hashable {
        case process(pid_t)
        case directory(String)
        case mount(String)
        /// A control group, which is empty by then.
        case group(String)
    }

    private static let leftovers = Mutex<Set<Leftover>>([])
    private static let signals = [SIGINT, SIGTERM, SIGHUP]

    /// Starts a process such that no signal comes between its start and its note.
    static func noting(_ start: () -> pid_t?) {
        leftovers.withLock { leftovers in
            if let pid = start() { leftovers.insert(.process(pid)) }
        }
    }

    static func note(_ leftover: Leftover) { leftovers.withLock { _ = $0.insert(leftover) } }
    static func forget(_ leftover: Leftover) { leftovers.withLock { _ = $0.remove(leftover) } }

    /// Once, before any thread is started: from here on a thread of its own takes the signals.
    static func watch() {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let watched = set
        // Never joined: it ends with the program.
        _ = SystemThread("signals") {
            var (set, signal) = (watched, Int32(0))
            sigwait(&set, &signal)
            end(signal)
        }
    }

    private static func end(_ signal: Int32) -> Never {
        // The lock is kept, so that nothing is started or removed beside this.
        leftovers.withLock { leftovers in
            for case .process(let pid) in leftovers { kill(pid, SIGKILL) }
            for case .mount(let path) in leftovers { umount2(path, Int32(MNT_DETACH)) }
            for case .group(let path) in leftovers { rmdir(path) }
            for case .directory(let path) in leftovers { remove(path) }
            _exit(128 + signal)
        }
    }

    private static func remove(_ path: String) {
        let arguments = ["rm", "-rf", "--", path]
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var pid: pid_t = 0
        guard posix_spawnp(&pid, words[0]!, nil, nil, &words, environ) == 0 else { return }
        waitpid(pid, nil, 0)
    }
}
