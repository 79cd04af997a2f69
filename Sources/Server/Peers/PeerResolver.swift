import Primitives
import Synchronization

/// Looks names up on threads of its own, because the system's resolver waits. It has no thread while it has no question; a
/// name server that does not answer holds up none but those who ask for its names, until there are too many of them.
final class PeerResolver: Sendable {
    struct Answer: Sendable {
        let question: UInt64
        let addresses: Result<[SocketAddress], ResolutionError>
    }

    private struct State {
        var running = 0
        var answers: [Answer] = []
    }

    private let state = Mutex(State())
    private let wake: @Sendable () -> Void

    /// `wake` is called when there is an answer.
    init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    /// False if too many questions wait for their answers already.
    func ask(_ question: UInt64, host: String, port: UInt16) -> Bool {
        let hasRoom = state.withLock { state in
            guard state.running < TransportLimits.resolutionsAtOnce else { return false }
            state.running += 1
            return true
        }
        guard hasRoom else { return false }
        SystemThread("peer-names") { [self] in
            let addresses = SocketAddress.resolve(host, port: port, isLiteral: false)
            state.withLock { state in
                state.running -= 1
                state.answers.append(Answer(question: question, addresses: addresses))
            }
            wake()
        }.detach()
        return true
    }

    func takeAnswers() -> [Answer] {
        state.withLock { state in
            defer { state.answers = [] }
            return state.answers
        }
    }
}
