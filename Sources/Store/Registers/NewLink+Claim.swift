import Links
import Primitives
import Replication

extension NewLink {
    /// The link that a claim's register holds; nil if that is none, or longer than an entry may be, which no node of the
    /// cluster proposes.
    package init?(claimed key: [UInt8], _ value: RegisterValue) {
        guard case .alias(let name)? = try? LinkKey(decoding: key.span.bytes),
            let alias = try? Alias(imported: name.span.bytes),
            var body = try? LinkBody(decoding: value.bytes.span.bytes), value.claim != 0
        else { return nil }
        body.claimID = value.claim
        var bytes: [UInt8] = []
        body.encode(into: &bytes)
        guard LogEntry.fits(key, bytes) else { return nil }
        self.init(alias: alias, body: body)
    }
}
