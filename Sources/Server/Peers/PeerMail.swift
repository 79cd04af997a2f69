import Glibc
import Replication
import Synchronization

/// What other threads tell the one that talks to peers, in order.
final class PeerMail: Sendable {
    private struct Contents {
        var events: [Event] = []
        var registers: [RegisterMessage] = []
        var tls: TLSContext?
        var wake: (@Sendable () -> Void)?
        var reader: pthread_t?

        var count: Int { events.count + registers.count }
    }

    private let contents = Mutex(Contents())

    /// Who is woken when something comes.
    func wakes(_ wake: @escaping @Sendable () -> Void) { contents.withLock { $0.wake = wake } }

    /// That thread looks by itself for what it puts here.
    func isRead(by thread: pthread_t) { contents.withLock { $0.reader = thread } }

    func put(_ event: Event) { put { $0.events.append(event) } }
    func put(_ message: RegisterMessage) { put { $0.registers.append(message) } }

    private func put(_ add: (inout Contents) -> Void) {
        let wake = contents.withLock { contents -> (@Sendable () -> Void)? in
            add(&contents)
            let isAwake =
                contents.count > 1 || contents.reader.map { pthread_equal($0, pthread_self()) != 0 } ?? false
            return isAwake ? nil : contents.wake
        }
        wake?()
    }

    func replace(tls: TLSContext) {
        contents.withLock { $0.tls = tls }
        wake()
    }

    func wake() { contents.withLock { $0.wake }?() }

    var isEmpty: Bool { contents.withLock { $0.count == 0 } }

    func takeAll() -> [Event] {
        contents.withLock { contents in
            defer { contents.events = [] }
            return contents.events
        }
    }

    func takeRegisterMessages() -> [RegisterMessage] {
        contents.withLock { contents in
            defer { contents.registers = [] }
            return contents.registers
        }
    }

    func takeTLS() -> TLSContext? {
        contents.withLock { contents in
            defer { contents.tls = nil }
            return contents.tls
        }
    }
}
