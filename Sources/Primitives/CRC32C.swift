import CLinux

/// CRC-32C (Castagnoli; iSCSI, RFC 3720 B.4) by the processor's own instruction, fed piece by piece.
package struct CRC32C: Sendable {
    private var state: UInt32 = 0xffff_ffff

    package init() {}

    package mutating func append(_ bytes: RawSpan) {
        var state = UInt64(state)
        let whole = bytes.byteCount & ~7
        for offset in stride(from: 0, to: whole, by: 8) {
            state = edge_crc32c_8(state, unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        self.state = UInt32(truncatingIfNeeded: state)
        for offset in whole..<bytes.byteCount {
            self.state = edge_crc32c_1(self.state, unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
        }
    }

    package mutating func append(_ byte: UInt8) { state = edge_crc32c_1(state, byte) }

    package var value: UInt32 { ~state }
}
