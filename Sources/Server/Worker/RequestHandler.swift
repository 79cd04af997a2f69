import HTTP

/// A request on its way from a worker to the thread that answers it, and where the answer goes.
struct HandedOver: Sendable {
    let worker: Worker
    let handle: ConnectionHandle
    let message: Message
    /// Who connected, or whom a trusted proxy connected for.
    let peer: IPAddress
    /// When the worker fetched it, on the monotonic clock.
    let receivedMicroseconds: Int64

    func answer(_ response: Response) { worker.deliver(Worker.Delivery(call: self, response: response)) }
}

/// Who takes what a worker does not answer itself: the API behind the public port, the admin pages behind the other.
protocol RequestHandler: AnyObject, Sendable {
    /// False if too many wait already.
    func take(_ call: HandedOver) -> Bool
}
