import Links
import Primitives
import Replication
import Store

/// Aliases in a cluster: whose one is, its acceptors decide.
extension API {
    /// Any thread.
    func write(_ call: APICall, _ link: NewLink, _ form: CreateRequest.Form) {
        if link.alias != nil {
            if let peers { return claim(call, link, form, peers) }
            if lacksAcceptors { return call.answer(Problem.aliasUnavailable.response) }
        }
        store.create(link) { [self] result in
            if case .success(let made) = result, link.body.claimID != nil, !made.body.isAnswer(to: link.body) {
                return call.answer(Problem.claimOfAnother.response)
            }
            answer(call, result, form)
        }
    }

    func answer(_ call: APICall, _ result: Result<CreatedLink, WriteError>, _ form: CreateRequest.Form) {
        switch result {
        case .success(let created):
            let answer = created201(created, form, call.message)
            durability.hold(created.origin, created.sequence, at: System.monotonicMilliseconds()) { isDurable in
                call.answer(isDurable ? answer : Problem.notReplicated(created.code).response)
            }
        case .failure(.damagedRecord): damaged(call)
        case .failure(let error): call.answer(Problem(error).response)
        }
    }

    /// Any thread. The call is answered once the claim is decided, or its time is over.
    func claim(_ call: APICall, _ link: NewLink, _ form: CreateRequest.Form, _ peers: PeerThread) {
        guard !store.figures.isFull else { return call.answer(Problem(WriteError.storageFull).response) }
        var link = link
        let id = link.body.claimID ?? .random(in: 1 ... .max)
        link.body.claimID = id
        var (key, bytes): ([UInt8], [UInt8]) = ([], [])
        LinkKey.alias(link.alias!.bytes).encode(into: &key)
        link.body.encode(into: &bytes)
        let (claim, body) = (Claim(key: key, value: RegisterValue(claim: id, bytes: bytes)), link.body)
        peers.claim(claim) { [self] outcome in
            switch outcome {
            case .won(let value): adopt(call, claim.key, value, asked: body, form)
            case .taken: call.answer(Problem(.aliasTaken).response)
            case .unknown: call.answer(Problem.claimUnknown(id).response)
            case .unavailable: call.answer(Problem.aliasUnavailable.response)
            case .overloaded: call.answer(Problem.overloaded.response)
            case .refused: preconditionFailure("no change of the acceptors")
            }
        }
    }

    /// It is this claim's for ever. A claim that comes again is answered with what it won the first time, if that is what
    /// it asks for now.
    private func adopt(
        _ call: APICall, _ key: [UInt8], _ value: RegisterValue, asked: LinkBody, _ form: CreateRequest.Form
    ) {
        guard let won = NewLink(claimed: key, value), won.body.isAnswer(to: asked) else {
            return call.answer(Problem.claimOfAnother.response)
        }
        store.adopt(won) { [self] result in
            switch result {
            case .success, .failure(.aliasTaken), .failure(.damagedRecord): answer(call, result, form)
            // It is decided, and this node cannot say so durably.
            case .failure: call.answer(Problem.claimUnknown(value.claim).response)
            }
        }
    }
}

extension LinkBody {
    /// Whether who asks for `wanted` under the same claim may have this: nobody is shown another's link.
    func isAnswer(to wanted: LinkBody) -> Bool {
        owner == wanted.owner && destination == wanted.destination
    }
}
