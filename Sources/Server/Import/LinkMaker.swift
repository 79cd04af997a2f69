import Links
import Primitives
import Replication
import Store

/// Makes one link of an import. `end` is called once, on any thread.
struct LinkMaker: Sendable {
    private let api: API
    let end: @Sendable (ImportedRow.End) -> Void

    init(_ api: API, end: @escaping @Sendable (ImportedRow.End) -> Void) { (self.api, self.end) = (api, end) }

    /// Links without a name are this node's to make. A name is decided by the acceptors; one that looks like a generated
    /// code, by the node that could hand the code out.
    func make(_ link: NewLink) {
        guard let alias = link.alias else { return create(link) }
        guard let peers = api.peers else {
            return api.lacksAcceptors ? end(.refused(.aliasUnavailable)) : create(link)
        }
        let decider: NameDecider
        do throws(StoreError) { decider = try api.store.decider(ofName: alias.bytes.span.bytes) } catch {
            guard case .damaged = error else { return end(.again) }
            return end(.refused(Problem(WriteError.damagedRecord)))
        }
        switch decider {
        case .anyone: claim(link, alias, peers)
        case .node(let node):
            let origin = api.store.origin
            guard node == NodeID(region: origin.region, node: origin.node) else {
                return end(.refused(.decidedElsewhere(api.regionName(node.region), node.node)))
            }
            create(link)
        }
    }

    private func create(_ link: NewLink) { api.store.create(link) { tell($0) } }

    private func claim(_ link: NewLink, _ alias: Alias, _ peers: PeerThread) {
        guard !api.store.figures.isFull else { return end(.refused(Problem(WriteError.storageFull))) }
        var body = link.body
        let id = body.claimID ?? .random(in: 1 ... .max)
        body.claimID = id
        var (key, bytes): ([UInt8], [UInt8]) = ([], [])
        LinkKey.alias(alias.bytes).encode(into: &key)
        body.encode(into: &bytes)
        peers.claim(Claim(key: key, value: RegisterValue(claim: id, bytes: bytes))) { [self, key] outcome in
            switch outcome {
            case .won(let value):
                guard let won = NewLink(claimed: key, value) else { return end(.unknown(claim: id)) }
                api.store.adopt(won) { result in
                    if case .failure(let error) = result, error != .damagedRecord, error != .aliasTaken {
                        return end(.unknown(claim: id))
                    }
                    tell(result)
                }
            case .taken(let holder): end(.taken(NewLink(claimed: key, holder)?.body))
            case .unknown: end(.unknown(claim: id))
            case .unavailable: end(.refused(.aliasUnavailable))
            case .overloaded: end(.again)
            case .refused: preconditionFailure("no change of the acceptors")
            }
        }
    }

    private func tell(_ result: Result<CreatedLink, WriteError>) {
        switch result {
        case .success(let created):
            api.durability.hold(created.origin, created.sequence, at: System.monotonicMilliseconds()) { isDurable in
                end(isDurable ? .made(code: created.code) : .madeHere(code: created.code))
            }
        case .failure(.aliasTaken): end(.taken(nil))
        case .failure(.overloaded), .failure(.rateCapped), .failure(.stopping): end(.again)
        case .failure(let error):
            if error == .damagedRecord { api.noteDamage() }
            end(.refused(Problem(error)))
        }
    }
}

extension Problem {
    static func decidedElsewhere(_ region: String, _ node: UInt8) -> Problem {
        Problem(
            .invalidAlias,
            "this looks like a generated code, and whose it is is decided by the node \(region)/\(node): import it there"
        )
    }
}
