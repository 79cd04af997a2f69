import Primitives

/// Feeds `bytes` to the frame reader and to the decoder of every frame; traps where a decoder reads what its encoder
/// would not write. The header's length and checksum are set right for the second try, so that mutations reach the
/// payloads.
package func fuzzReplication(_ bytes: RawSpan) {
    readFrames(bytes)
    var payload = bytes
    guard let first = try? payload.takeByte() else { return }
    let types = FrameType.allCases
    var frame: [UInt8] = [FrameHeader.version, types[Int(first) % types.count].rawValue, 0, 0]
    frame.append(bigEndian: UInt32(payload.byteCount))
    frame.append(bigEndian: UInt32(first))
    var crc = CRC32C()
    unsafe crc.append(frame.span.bytes)
    crc.append(payload)
    frame.append(bigEndian: crc.value)
    frame.append(payload)
    unsafe readFrames(frame.span.bytes)
}

/// In pieces of growing size, as a socket might give them.
private func readFrames(_ bytes: RawSpan) {
    var (reader, rest, piece) = (FrameReader(), bytes, 1)
    reader.limit = WireLimits.payload
    while rest.byteCount > 0 {
        var part = rest.extracting(..<min(piece, rest.byteCount))
        rest = rest.extracting(part.byteCount...)
        piece = piece * 2 + 1
        while part.byteCount > 0 {
            do throws(MalformedBytes) {
                guard let whole = try reader.take(&part) else { break }
                check(whole)
            } catch {
                return
            }
        }
    }
}

private func check(_ bytes: [UInt8]) {
    guard let (frame, request) = unsafe try? Frame.decode(bytes.span.bytes) else { return }
    precondition(frame.encoded(request: request) == bytes)
    guard case .entries(let entries) = frame else { return }
    var rest = unsafe entries.bytes.span.bytes
    while rest.byteCount > 0, (try? EntryHead(takingFrom: &rest)) != nil {}
}
