/// Traps if a destination made from `bytes` breaks what every destination promises. For fuzzers and tests.
package func fuzzDestination(_ bytes: RawSpan) {
    let text = unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }
    for allowPrivate in [false, true] {
        do throws(DestinationError) {
            let policy = try DestinationPolicy(ownHosts: ["edge.example"], allowPrivate: allowPrivate)
            let destination = try Destination(text, policy: policy)
            checkInvariants(of: destination, policy)
        } catch {
            precondition(!error.description.isEmpty && (error.offset ?? 0) <= text.count)
        }
    }
}

private func checkInvariants(of destination: Destination, _ policy: DestinationPolicy) {
    let bytes = destination.bytes
    precondition(bytes.count <= Destination.maxSizeBytes)
    precondition(bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f })
    let start = String(decoding: bytes.prefix(8), as: UTF8.self).lowercased()
    precondition(start.hasPrefix("http://") || start == "https://")
    do throws(DestinationError) {
        let again = try Destination(bytes, policy: policy)
        precondition(again == destination)
    } catch {
        preconditionFailure("a destination is refused when it comes back: \(error)")
    }
}
