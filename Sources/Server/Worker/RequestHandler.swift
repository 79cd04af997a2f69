import HTTP
import Synchronization

/// A request on its way from a worker to the thread that answers it, and where the answer goes.
struct HandedOver: Sendable {
    let worker: Worker
    let handle: ConnectionHandle
    let message: Message
    /// Who connected, or whom a trusted proxy connected for.
    let peer: IPAddress
    /// What takes its body from the bytes behind its head, if that is left to a stream.
    var body: StreamedBody?
    /// When its last byte was read, in monotonic microseconds.
    let arrivedMicroseconds: Int64

    /// What its token and its hints ask for, as far as it has been looked at.
    var reading = Reading()
    /// What came of waiting for another node, for a request to the API.
    var result: LookupResult?

    var byteCount: Int { message.headBytes.count + message.body.count }

    /// By a thread of its own.
    func answer(_ stream: ServedStream) { worker.deliver(Worker.Delivery(call: self, content: .stream(stream))) }

    func answer(_ response: Response) { worker.deliver(Worker.Delivery(call: self, content: .response(response))) }

    /// It waits long. From now on `end` is told once the client closes its connection, or its sending side.
    func watch(_ end: ClientEnd) { worker.deliver(Worker.Delivery(call: self, content: .waiting(end))) }
}

/// Whether the client of a request that waits long sends no more. Told by the worker, read by who lets the request wait.
///
/// A connection that is closed looks like one of which the client has shut its sending side alone, until something is
/// sent to it: a FIN is all that comes (RFC 9293 3.6). The latter is a client that may still read, so this says nothing
/// against an answer: it ends the wait, and whoever is there gets the answer that is there without it. Requests that
/// are answered as soon as can be do not watch, and a client's end changes nothing for them.
final class ClientEnd: Sendable {
    private let hasCome = Atomic(false)

    func note() { hasCome.store(true, ordering: .relaxed) }

    var isHere: Bool { hasCome.load(ordering: .relaxed) }
}

/// Who takes what a worker does not answer itself: the API behind the public port, the admin pages behind the other.
protocol RequestHandler: AnyObject, Sendable {
    /// Nil if it is taken; else why too much waits already.
    func take(_ call: HandedOver) -> Shedding?
}

/// Why a request is refused with 503 at once instead of waiting.
enum Shedding: Int, CaseIterable {
    /// Too many wait for the handler's thread, or too many bytes, or they wait too long.
    case queueLength, queueBytes, queueAge
    /// The port's connections keep too much.
    case keptBytes
    /// Too many lookups wait for the reader threads, or too many requests for them.
    case lookups
}
