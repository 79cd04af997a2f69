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
        let call = HandedOver(
            worker: self, handle: connection.handle, message: Message(copying: head, from: bytes.bytes),
            peer: connection.peer, arrivedMicroseconds: wakeUpMicroseconds)
        guard let reason = node.readers.take(call, [UInt8](code), reader.tag) else {
            connection.phase = .awaitingAnswer(form)
            return
        }
        counters.shed(reason)
        append(Problem.overloaded.response, form, as: .refused, on: .code, head, bytes, connection)
    }
}
