import Glibc
import Replication
import Synchronization

/// What other threads tell the one that talks to peers, in order.
final class PeerMail: Sendable {
    private struct Contents {
        var events: [Event] = []
        var tls: TLSContext?
        var wake: (@Sendable () -> Void)?
        var reader: pthread_t?
    }

    private let contents = Mutex(Contents())

    /// Who is woken when something comes.
    func wakes(_ wake: @escaping @Sendable () -> Void) { contents.withLock { $0.wake = wake } }

    /// That thread looks by itself for what it puts here.
    func isRead(by thread: pthread_t) { contents.withLock { $0.reader = thread } }

    func put(_ event: Event) {
        let wake = contents.withLock { contents -> (@Sendable () -> Void)? in
            contents.events.append(event)
            let isAwake =
                contents.events.count > 1 || contents.reader.map { pthread_equal($0, pthread_self()) != 0 } ?? false
            return isAwake ? nil : contents.wake
        }
        wake?()
    }

    func replace(tls: TLSContext) {
        contents.withLock { $0.tls = tls }
        wake()
    }

    func wake() { contents.withLock { $0.wake }?() }

    var isEmpty: Bool { contents.withLock { $0.events.isEmpty } }

    func takeAll() -> [Event] {
        contents.withLock { contents in
            defer { contents.events = [] }
            return contents.events
        }
    }

    func takeTLS() -> TLSContext? {
        contents.withLock { contents in
            defer { contents.tls = nil }
            return contents.tls
        }
    }
}
