import Links
import Primitives

/// Tells the workers' caches which codes a write transaction changes, before it is committed; see `CacheStamps`.
struct CodeStamps {
    private let stamps: CacheStamps
    private let codeSpace: CodeSpace
    private let environment: UInt16
    private var tag: CacheTag

    init(_ stamps: CacheStamps, _ codeSpace: CodeSpace, environment: UInt16) {
        (self.stamps, self.codeSpace, self.environment) = (stamps, codeSpace, environment)
        tag = CacheTag(environment: environment, transaction: 0)
    }

    mutating func begin(_ transaction: borrowing WriteTransaction) {
        tag = CacheTag(environment: environment, transaction: transaction.id)
    }

    /// The record of this code or alias changes.
    func note(_ code: [UInt8]) { stamps.stamp(code.span.bytes, tag) }

    /// The record under this key changes. One whose region this node does not know has no code here.
    func note(_ key: LinkKey) {
        switch key {
        case .alias(let name): note(name)
        case .generated(let region, _, let number):
            guard let region = RegionCharacter(region), codeSpace.contains(region) else { return }
            note(codeSpace.code(of: number, region: region))
        case .snowflake(let number):
            let snowflake = Snowflake(number: number)
            guard let region = RegionCharacter(index: snowflake.regionIndex), codeSpace.contains(region) else { return }
            note(codeSpace.code(of: snowflake))
        }
    }

    private func note(_ code: Code) {
        var bytes: [UInt8] = []
        bytes.append(code)
        note(bytes)
    }
}
