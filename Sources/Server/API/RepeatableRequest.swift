import Analytics
import HTTP
import Links
import Primitives
import Store
import Synchronization

/// Makes the names by which the nodes of a cluster know requests that may come again: MACs, so that nobody can choose one.
package struct RequestKey: Sendable {
    private let mac: @Sendable ([UInt8]) -> [UInt8]

    /// `mac`: 32 bytes of a message.
    package init(_ mac: @escaping @Sendable ([UInt8]) -> [UInt8]) { self.mac = mac }

    /// The claim of whatever `principal` asks for with the key.
    package func claim(of principal: [UInt8], _ key: [UInt8]) -> UInt128 { claim(1, [principal, key]) }

    /// The claim of a batch's entry, or of a row of an import with that claim: the same wherever it was taken.
    package func claim(ofEntry index: Int, in batch: UInt128) -> UInt128 {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: batch)
        bytes.append(bigEndian: UInt64(index))
        return claim(2, [bytes])
    }

    /// Tells requests apart by path and body.
    package func hash(_ path: String, _ body: [UInt8]) -> UInt64 {
        UInt64(truncatingIfNeeded: claim(3, [Array(path.utf8), body]))
    }

    /// The id of a report of the link that is stored under `link`: half of it is the link's, half that of `principal` on a day.
    func report(of link: [UInt8], by principal: [UInt8], day: ClickDay) -> UInt128 {
        var date: [UInt8] = []
        date.append(bigEndian: day.number)
        let low = UInt64(truncatingIfNeeded: claim(5, [link, principal, date]))
        return (claim(4, [link]) >> 64) << 64 | UInt128(low)
    }

    private func claim(_ kind: UInt8, _ pieces: [[UInt8]]) -> UInt128 {
        var message = [kind]
        for piece in pieces { message.append(lengthPrefixed: piece) }
        // Zero is no claim.
        return max(1, mac(message).prefix(16).reduce(0) { $0 << 8 | UInt128($1) })
    }
}

/// A request that may come again: whoever sends it twice gets one link.
struct RepeatableRequest: Equatable, Sendable {
    /// Visible characters of an Idempotency-Key.
    static let keyBytes = 255

    let claim: UInt128
    let hash: UInt64
}

extension NewLink {
    /// The request that it is made for, if that may come again.
    var repeatable: RepeatableRequest? {
        guard let claim = body.claimID, let hash = body.requestHash else { return nil }
        return RepeatableRequest(claim: claim, hash: hash)
    }

    /// What it made at `since` or later is found again.
    mutating func claim(_ request: RepeatableRequest, since: Instant) {
        (body.claimID, body.requestHash, claimsSince) = (request.claim, request.hash, since)
    }
}

/// Keyed requests for aliases that the registers have not answered yet. Any thread.
final class ClaimsUnderWay: Sendable {
    private let requests = Mutex<[UInt128: (hash: UInt64, count: Int)]>([:])

    /// Whether it is the first of its key; nil: another request has the key. `end` has to follow unless that is so.
    func begin(_ request: RepeatableRequest) -> Bool? {
        requests.withLock { requests in
            let present = requests[request.claim] ?? (request.hash, 0)
            guard present.hash == request.hash else { return nil }
            requests[request.claim] = (present.hash, present.count + 1)
            return present.count == 0
        }
    }

    func end(_ request: RepeatableRequest) {
        requests.withLock { requests in
            let count = requests[request.claim]!.count - 1
            requests[request.claim] = count == 0 ? nil : (request.hash, count)
        }
    }
}

/// What came of requests with an Idempotency-Key that had come before. Any thread.
final class RepeatCounts: Sendable {
    private let counts = Mutex((replayed: UInt64(0), mismatched: UInt64(0)))

    func replayed() { counts.withLock { $0.replayed += 1 } }
    func mismatched() { counts.withLock { $0.mismatched += 1 } }
    var values: (replayed: UInt64, mismatched: UInt64) { counts.withLock { $0 } }
}

extension APICall {
    /// Who sends requests, as their claims and batches have it.
    var principal: [UInt8] {
        if let principal = caller.principal { return [1] + principal }
        var network: [UInt8] = [0]
        network.append(bigEndian: clientNetwork)
        return network
    }
}

extension API {
    /// Nil: it has no Idempotency-Key.
    func repeatableRequest(
        _ message: Message, of principal: [UInt8]
    ) throws(RefusedRequest) -> RepeatableRequest? {
        guard message.head.has(.idempotencyKey) else { return nil }
        let key = message.bytes(of: .idempotencyKey)
        guard (1...RepeatableRequest.keyBytes).contains(key.count), key.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw RefusedRequest(Problem(.invalidIdempotencyKey))
        }
        return RepeatableRequest(
            claim: requests.claim(of: principal, key), hash: requests.hash(message.path, message.body))
    }

    /// Whether all that the request's token tells of is here, so that with a token nothing is made twice. False: it waits
    /// for that and comes back, or is answered. To be asked before `earlier`. Of the API's thread.
    func knowsWhatCame(before call: inout APICall) -> Bool {
        call.changes = true
        guard read(&call, []) != nil else { return false }
        // The answer to a write has a token of its own.
        call.marks.removeAll { $0.name == "Edge-Token" }
        return true
    }

    /// What the request made when it came first; nil if it has not, as far as is known here. Any thread.
    func earlier(_ request: RepeatableRequest) throws(RefusedRequest) -> Claimed? {
        let found: Claimed?
        let since = now().advanced(byMilliseconds: -StoreLimits.claimsKeptMilliseconds)
        do throws(StoreError) { found = try store.claimed(request.claim, since: since) } catch {
            throw RefusedRequest(.overloaded)
        }
        let hash: UInt64
        switch found {
        case nil: return nil
        case .damaged:
            noteDamage()
            throw RefusedRequest(.damagedRecord)
        case .link(_, let first): hash = first
        case .batch(let head): hash = head.request
        }
        guard hash == request.hash else { throw RefusedRequest(Problem(WriteError.requestDiffers)) }
        return found
    }

    func refuse(_ call: APICall, _ problem: Problem) {
        if problem.kind.code == ProblemKind.idempotencyMismatch.code { repeatCounts.mismatched() }
        call.answer(problem.response)
    }

    /// The field that tells an answer from the first one.
    func repeatMark(_ isReplay: Bool, _ message: Message) -> [(name: String, value: String)] {
        guard isReplay, message.head.has(.idempotencyKey) else { return [] }
        repeatCounts.replayed()
        return [("Idempotent-Replayed", "true")]
    }
}

extension Problem {
    static let keyBesideClaim = Problem(
        .invalidIdempotencyKey, "Send the member claim_id or an Idempotency-Key; the key makes a claim of its own.")
}
