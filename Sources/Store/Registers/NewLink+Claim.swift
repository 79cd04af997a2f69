import Links
import Primitives
import Replication

extension NewLink {
    /// The link that a claim's register holds; nil if that is none, which no node of the cluster proposes.
    package init?(claimed key: [UInt8], _ value: RegisterValue) {
        guard case .alias(let name)? = try? LinkKey(decoding: key.span.bytes),
            let alias = try? Alias(imported: name.span.bytes),
            var body = try? LinkBody(decoding: value.bytes.span.bytes), value.claim != 0
        else { return nil }
        body.claimID = value.claim
        self.init(alias: alias, body: body)
    }
}
