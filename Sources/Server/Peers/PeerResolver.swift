import Primitives
import Synchronization

/// Looks names up on threads of its own, because the system's resolver waits. It has no thread while it has no question; a
/// name server that does not answer holds up none but those who ask for its names, until there are too many of them.
package final class PeerResolver: Sendable {
    package struct Answer: Sendable {
        package let question: UInt64
        package let addresses: Result<[SocketAddress], ResolutionError>
    }

    private struct State {
        var running = 0
        var answers: [Answer] = []
    }

    private let state = Mutex(State())
    private let wake: @Sendable () -> Void
    private let startThread: @Sendable (@escaping @Sendable () -> Void) -> Bool

    /// `wake` is called when there is an answer. `startThread`: false if the system gives none.
    package init(
        wake: @escaping @Sendable () -> Void,
        startThread: @escaping @Sendable (@escaping @Sendable () -> Void) -> Bool = PeerResolver.startThread
    ) { (self.wake, self.startThread) = (wake, startThread) }

    @Sendable package static func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
        guard let thread = SystemThread(ifPossible: "peer-names", body) else { return false }
        thread.detach()
        return true
    }

    /// False if too many questions wait for their answers already, or there is no thread for one more.
    package func ask(_ question: UInt64, host: String, port: UInt16) -> Bool {
        let hasRoom = state.withLock { state in
            guard state.running < TransportLimits.resolutionsAtOnce else { return false }
            state.running += 1
            return true
        }
        guard hasRoom else { return false }
        let isAsked = startThread { [self] in
            let addresses = SocketAddress.resolve(host, port: port, isLiteral: false)
            state.withLock { state in
                state.running -= 1
                state.answers.append(Answer(question: question, addresses: addresses))
            }
            wake()
        }
        if !isAsked { state.withLock { $0.running -= 1 } }
        return isAsked
    }

    package func takeAnswers() -> [Answer] {
        state.withLock { state in
            defer { state.answers = [] }
            return state.answers
        }
    }
}
