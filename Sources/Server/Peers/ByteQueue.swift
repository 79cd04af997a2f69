/// Bytes that wait to be written, in the order of their coming.
struct ByteQueue {
    /// More than this is given back when the queue is empty.
    private static let keptBytes = 64 << 10

    private var bytes: [UInt8] = []
    /// What stands before was taken.
    private var start = 0

    var count: Int { bytes.count - start }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ more: some Collection<UInt8>) { bytes.append(contentsOf: more) }

    /// The first bytes, at most `limit`.
    func withFirst<Result, Failure: Error>(
        _ limit: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try bytes.span.bytes.extracting(start..<(start + min(limit, count))).withUnsafeBytes(body)
    }

    mutating func removeFirst(_ taken: Int) {
        precondition(taken <= count)
        start += taken
        if isEmpty {
            bytes.removeAll(keepingCapacity: bytes.count <= Self.keptBytes)
            start = 0
        } else if start > Self.keptBytes, start > count {
            // Fewer bytes move than were taken since the last time.
            bytes.removeSubrange(..<start)
            start = 0
        }
    }

    mutating func removeAll() { self = ByteQueue() }
}
