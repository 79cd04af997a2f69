import Links
import Primitives
import Replication
import Store

/// Aliases in a cluster: whose one is, its acceptors decide.
extension API {
    typealias Made = @Sendable (Result<CreatedLink, RefusedRequest>) -> Void

    /// Any thread.
    func write(_ call: APICall, _ link: NewLink, _ form: CreateRequest.Form) {
        make(link) { [self] result in answer(call, result, form, writerTokenCounts) }
    }

    /// Makes a link on any thread's behalf; one that is made is told on the writer's, which must not be kept.
    func make(_ link: NewLink, _ completion: @escaping Made) {
        if link.alias != nil {
            if let peers { return claim(link, peers, completion) }
            if lacksAcceptors { return completion(.failure(RefusedRequest(.aliasUnavailable))) }
        }
        store.create(link) { [self] result in
            if case .success(let made) = result, link.body.claimID != nil, !made.isReplay,
                !made.body.isAnswer(to: link.body)
            {
                return completion(.failure(RefusedRequest(.claimOfAnother)))
            }
            completion(told(result))
        }
    }

    private func told(_ result: Result<CreatedLink, WriteError>) -> Result<CreatedLink, RefusedRequest> {
        if case .failure(.damagedRecord) = result { noteDamage() }
        return result.mapError { RefusedRequest(Problem($0)) }
    }

    /// - counts: those of the thread.
    func answer(
        _ call: APICall, _ result: Result<CreatedLink, RefusedRequest>, _ form: CreateRequest.Form,
        _ counts: TokenCounts
    ) {
        switch result {
        case .success(let created):
            let answer = created201(created, form, call.message, counts)
            durability.hold(created.origin, created.sequence, at: System.monotonicMilliseconds()) { isDurable in
                call.answer(isDurable ? answer : Problem.notReplicated(created.code).response)
            }
        case .failure(let refused): refuse(call, refused.problem)
        }
    }

    /// Any thread. It is told once the claim is decided, or its time is over.
    private func claim(_ link: NewLink, _ peers: PeerThread, _ completion: @escaping Made) {
        guard !store.figures.isFull else {
            return completion(.failure(RefusedRequest(Problem(WriteError.storageFull))))
        }
        guard let request = link.repeatable else { return claim(link, peers, isReplay: false, completion) }
        // Two of one key and different names are not for the registers to decide.
        guard let isFirst = claimsUnderWay.begin(request) else {
            return completion(.failure(RefusedRequest(Problem(WriteError.requestDiffers))))
        }
        let end: Made = { [self] result in
            claimsUnderWay.end(request)
            completion(result)
        }
        do throws(RefusedRequest) {
            guard case .link(let made, _)? = try earlier(request) else {
                return claim(link, peers, isReplay: !isFirst, end)
            }
            end(.success(made))
        } catch {
            end(.failure(error))
        }
    }

    private func claim(_ link: NewLink, _ peers: PeerThread, isReplay: Bool, _ completion: @escaping Made) {
        var link = link
        let id = link.body.claimID ?? .random(in: 1 ... .max)
        link.body.claimID = id
        var (key, bytes): ([UInt8], [UInt8]) = ([], [])
        LinkKey.alias(link.alias!.bytes).encode(into: &key)
        link.body.encode(into: &bytes)
        let (claim, body) = (Claim(key: key, value: RegisterValue(claim: id, bytes: bytes)), link.body)
        peers.claim(claim) { [self] outcome in
            switch outcome {
            case .won(let value):
                adopt(claim.key, value, asked: body) { result in
                    completion(
                        result.map { made in
                            var made = made
                            made.isReplay = isReplay
                            return made
                        })
                }
            case .taken: completion(.failure(RefusedRequest(Problem(.aliasTaken))))
            case .unknown: completion(.failure(RefusedRequest(.claimUnknown(id))))
            case .unavailable: completion(.failure(RefusedRequest(.aliasUnavailable)))
            case .overloaded: completion(.failure(RefusedRequest(.overloaded)))
            case .refused: preconditionFailure("no change of the acceptors")
            }
        }
    }

    /// It is this claim's for ever. A claim that comes again is answered with what it won the first time, if that is what
    /// it asks for now.
    private func adopt(_ key: [UInt8], _ value: RegisterValue, asked: LinkBody, _ completion: @escaping Made) {
        guard let won = NewLink(claimed: key, value), won.body.isAnswer(to: asked) else {
            return completion(.failure(RefusedRequest(.claimOfAnother)))
        }
        guard won.body.requestHash == asked.requestHash else {
            return completion(.failure(RefusedRequest(Problem(WriteError.requestDiffers))))
        }
        store.adopt(won) { [self] result in
            switch result {
            case .success, .failure(.aliasTaken), .failure(.damagedRecord): completion(told(result))
            // It is decided, and this node cannot say so durably.
            case .failure: completion(.failure(RefusedRequest(.claimUnknown(value.claim))))
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
