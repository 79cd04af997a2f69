import HTTP
import Links
import Primitives

/// Leaving lookups to the reader threads.
extension Worker {
    /// The request waits for its answer, and its connection with it, while others go on.
    func leave(
        _ code: UnsafeRawBufferPointer, _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ connection: Connection
    ) {
        let call = parked(head, bytes, connection)
        guard let reason = node.readers.take(call, [UInt8](code), reader.tag) else {
            connection.phase = .awaitingAnswer(form)
            return
        }
        counters.shed(reason)
        append(Problem.overloaded.response, form, as: .refused, on: .code, head, bytes, connection)
    }

    /// The request in work, to be answered when something else is here.
    func parked(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection) -> HandedOver {
        HandedOver(
            worker: self, handle: connection.handle, message: Message(copying: head, from: bytes.bytes),
            peer: connection.peer, arrivedMicroseconds: arrivedMicroseconds ?? wakeUpMicroseconds, reading: reading)
    }

    /// One that was parked is in work again, until `forget`.
    func take(up call: HandedOver) {
        arrivedMicroseconds = call.arrivedMicroseconds
        resume(call.reading)
    }

    func resume(_ reading: Reading) {
        self.reading = reading
        marks = node.tokens.marks(reading)
    }

    func forget() {
        arrivedMicroseconds = nil
        reading = Reading()
        marks = []
    }
}
