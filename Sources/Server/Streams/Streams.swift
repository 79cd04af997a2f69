import HTTP
import Primitives
import Synchronization

/// Bounds of requests that are served by threads of their own.
enum StreamLimits {
    /// At once, and of them one client's.
    static let streams = 64
    static let streamsOfClient = 8
    /// Gathered before it is sent as one chunk.
    static let chunkBytes = 16_384
    /// Read from the client at once.
    static let readBytes = 65_536
}

/// The answer to a request that a thread of its own serves, because its body, or its answer's, is too long to be held
/// at once: the head, and who writes what follows. It holds its place among the streams until it is done or dropped.
struct ServedStream: Sendable {
    let head: Response
    /// On the thread. What is written has been sent, and the body is ended in order, once this returns; a body that
    /// ends by an error is cut, so that the client can tell.
    let serve: @Sendable (ClientStream) throws(StreamEnd) -> Void
    fileprivate let place: Streams.Place
}

/// The requests that have left the workers' loops. Any thread.
final class Streams: Sendable {
    /// One of so many at once; given back when it goes.
    final class Place: Sendable {
        private let streams: Streams
        private let client: LimitSubject

        fileprivate init(_ streams: Streams, _ client: LimitSubject) { (self.streams, self.client) = (streams, client) }

        deinit { streams.leave(client) }
    }

    private let places = Mutex<[LimitSubject: Int]>([:])
    /// Signalled once, and never cleared: whoever waits for it as well is woken.
    let stop = WakeUp()
    private let stopping = Atomic(false)

    var count: Int { places.withLock { $0.values.reduce(0, +) } }

    /// No more begin, and those that wait for their clients end.
    func end() {
        stopping.store(true, ordering: .relaxed)
        stop.signal()
    }

    var isStopping: Bool { stopping.load(ordering: .relaxed) }

    /// Nil if there are too many, of this client or in all, or the node stops.
    func begin(
        _ head: Response, for client: LimitSubject, serve: @escaping @Sendable (ClientStream) throws(StreamEnd) -> Void
    ) -> ServedStream? {
        let isFree = places.withLock { places in
            let own = places[client] ?? 0
            guard own < StreamLimits.streamsOfClient, places.values.reduce(0, +) < StreamLimits.streams else {
                return false
            }
            places[client] = own + 1
            return true
        }
        guard isFree, !isStopping else {
            if isFree { leave(client) }
            return nil
        }
        return ServedStream(head: head, serve: serve, place: Place(self, client))
    }

    private func leave(_ client: LimitSubject) {
        places.withLock { places in
            let own = places[client]! - 1
            places[client] = own > 0 ? own : nil
        }
    }
}
