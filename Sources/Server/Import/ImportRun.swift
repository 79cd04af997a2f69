import HTTP
import Import
import Links
import Primitives
import Store

/// Bounds of imports.
enum ImportRunLimits {
    /// Rows of one import that are being made at once: so many stand before anybody else's write at most, and it is enough
    /// for a commit to cost little for each.
    static let rows = 1024
    /// For whoever is to make room, or to decide about a name.
    static let pauseMilliseconds: Int64 = 20
    /// Of one row's claims, how many may go unanswered.
    static let unknownClaims = 3
}

/// One import, on a stream's thread: rows are read, made many at a time, and told of in their order.
///
///     client ─▶ ImportReader ─▶ ring of rows ─▶ writer, or acceptors and then writer
///       ▲                        │   ▲                        │
///       └── results, in order ───┘   └──────── ends ──────────┘
///
/// No more is read while the ring is full, or while the client takes no results: memory does not depend on how much comes.
final class ImportRun {
    private let api: API
    private let rules: ImportRules
    private let isDryRun: Bool
    /// Nil for who may make any number of links.
    private let subject: LimitSubject?
    /// Nil: the request has no key, and makes a row without a code each time that it comes.
    private let repeatable: RepeatableRequest?
    private let reader: LinkReader
    private var ring = [ImportedRow?](repeating: nil, count: ImportRunLimits.rows)
    /// Rows that were begun, and of these such as were told of.
    private var begun = 0
    private var told = 0
    /// Rows that were begun, and are to be somebody else's links.
    private var foreign = 0
    private let ends = WaitingQueue<(number: Int, end: ImportedRow.End)>(capacity: ImportRunLimits.rows)

    init(
        _ api: API, _ rules: ImportRules, isDryRun: Bool, subject: LimitSubject?, repeatable: RepeatableRequest?
    ) throws(StoreError) {
        (self.api, self.rules, self.isDryRun, self.subject) = (api, rules, isDryRun, subject)
        self.repeatable = repeatable
        reader = try api.store.makeReader()
    }

    func run(_ stream: ClientStream) throws(StreamEnd) {
        defer { rules.act(onRows: foreign)?.tell(to: api.store) }
        var lines = ImportReader(.ndjson)
        do throws(StreamEnd) {
            while let piece = try stream.read(beforeWaiting: { () throws(StreamEnd) in try tellAll(stream) }) {
                for row in rows({ () throws(ImportError) in try lines.read(piece) }) { try begin(row, stream) }
            }
        } catch {
            // What has begun is made whether or not anybody hears of it; who can still hear shall.
            switch error {
            case .stopping, .malformed: try tellAll(stream)
            case .clientGone, .timedOut, .storeFailed: break
            }
            throw error
        }
        for row in rows({ () throws(ImportError) in try lines.finish() }) { try begin(row, stream) }
        try tellAll(stream)
    }

    /// Lines have no header that could be wrong.
    private func rows(_ read: () throws(ImportError) -> [ImportRow]) -> [ImportRow] {
        do throws(ImportError) { return try read() } catch { preconditionFailure(error.message) }
    }

    // MARK: Beginning

    private func begin(_ row: ImportRow, _ stream: ClientStream) throws(StreamEnd) {
        if begun - told == ring.count { try tellFirst(stream) }
        try awaitTurn(stream)
        let number = begun
        begun += 1
        switch row.result {
        case .failure(let refusal):
            ring[number % ring.count] = ImportedRow(line: row.line, code: nil, end: .refused(Problem(refusal)))
        case .success(let link):
            var imported = ImportedRow(line: row.line, code: link.code)
            do throws(RefusedRequest) {
                let wanted = try rules.link(of: link, now: api.now())
                (imported.link, imported.hostName) = (claimed(wanted.link, of: link, number), wanted.hostName)
            } catch {
                imported.end = .refused(error.problem)
            }
            ring[number % ring.count] = imported
            guard imported.end == nil else { return }
            if !isDryRun, imported.link!.body.owner != rules.principal { foreign += 1 }
            make(number)
        }
    }

    /// With the claim of the row of that number, from 0, by which it is found again. One with a code is by that.
    private func claimed(_ link: NewLink, of row: ImportedLink, _ number: Int) -> NewLink {
        guard let repeatable, link.alias == nil else { return link }
        var bytes: [UInt8] = []
        bytes.append(ndjson: row)
        var claimed = link
        claimed.claim(
            RepeatableRequest(
                claim: api.requests.claim(ofEntry: number, in: repeatable.claim),
                hash: api.requests.hash(Resource.importing.rawValue, bytes)),
            since: api.now().advanced(byMilliseconds: -StoreLimits.claimsKeptMilliseconds))
        return claimed
    }

    /// Each row counts as a link that is made.
    private func awaitTurn(_ stream: ClientStream) throws(StreamEnd) {
        guard let subject else { return }
        while let limiter = api.admission.admission.create,
            // One that waits is not refused, and is not counted as such.
            !limiter.takes(subject, atTick: limiter.limit.ticks(UInt64(System.monotonicMicroseconds())))
        {
            try tellAll(stream)
            try stream.rest(milliseconds: ImportRunLimits.pauseMilliseconds)
        }
    }

    private func make(_ number: Int) {
        let row = ring[number % ring.count]!
        let link = row.link!
        if let alias = link.alias, let known = look(at: alias, for: link) { return end(number, known) }
        if let request = link.repeatable, let known = look(for: request) { return end(number, known) }
        if isDryRun { return end(number, .wouldBeMade) }
        guard api.live.value.creates, api.intake.lets() else { return end(number, .again) }
        let maker = LinkMaker(api) { [ends] end in ends.pushPastCapacity((number, end)) }
        guard let nameRule = rules.nameRule, let name = row.hostName else { return maker.make(link) }
        nameRule.judge(name) { verdict in
            switch verdict {
            case .admitted: maker.make(link)
            case .refused: maker.end(.refused(.namePrivate))
            case .unknown: maker.end(.refused(.lookupFailed))
            }
        }
    }

    private func end(_ number: Int, _ end: ImportedRow.End) { ring[number % ring.count]!.end = end }

    /// What is here under the name: nil if nothing is.
    private func look(at alias: Alias, for link: NewLink) -> ImportedRow.End? {
        do throws(StoreError) { try reader.begin() } catch { return .again }
        defer { reader.end() }
        switch reader.find(alias.bytes.span.bytes) {
        case .absent, .impossible: return nil
        case .damaged:
            api.noteDamage()
            return .refused(.damagedRecord)
        case .link(let found):
            guard let record = found.record else { return .refused(.damagedRecord) }
            return Self.end(ofNameWith: record.body, for: link)
        }
    }

    private static func end(ofNameWith body: LinkBody, for link: NewLink) -> ImportedRow.End {
        body.flags.isDisjoint(with: [.deleted, .reduced]) && body.isAnswer(to: link.body)
            ? .exists(code: link.alias!.bytes) : .refused(Problem(.aliasTaken))
    }

    /// What the row made when it came first: nil if it has not, as far as is known here.
    private func look(for request: RepeatableRequest) -> ImportedRow.End? {
        do throws(RefusedRequest) {
            guard case .link(let made, _)? = try api.earlier(request) else { return nil }
            return .exists(code: made.code)
        } catch {
            return error.problem.kind.code == ProblemKind.overloaded.code ? .again : .refused(error.problem)
        }
    }

    // MARK: Telling

    private func tellAll(_ stream: ClientStream) throws(StreamEnd) {
        while told < begun { try tellFirst(stream) }
    }

    /// Waits for the end of the oldest row, and writes its result.
    private func tellFirst(_ stream: ClientStream) throws(StreamEnd) {
        let place = told % ring.count
        while try !settle(told, stream) {
            for (number, end) in ends.take(atMost: ring.count, timeoutMilliseconds: 1000) ?? [] {
                ring[number % ring.count]!.end = end
            }
        }
        try stream.write(ring[place]!.result)
        ring[place] = nil
        told += 1
    }

    /// Whether what became of the row is known for good; begins it again if that may help.
    private func settle(_ number: Int, _ stream: ClientStream) throws(StreamEnd) -> Bool {
        // A row may have to be begun many times: a node that takes no links may stay so for long.
        while true {
            let row = ring[number % ring.count]!
            switch row.end {
            case nil: return false
            case .made, .madeHere, .exists, .wouldBeMade, .refused: return true
            case .taken(let holder):
                let link = row.link!
                end(
                    number,
                    look(at: link.alias!, for: link) ?? holder.map { Self.end(ofNameWith: $0, for: link) }
                        ?? .refused(Problem(.aliasTaken)))
            case .again:
                try stream.rest(milliseconds: ImportRunLimits.pauseMilliseconds)
                ring[number % ring.count]!.end = nil
                make(number)
            case .unknown(let claim):
                guard row.unknownClaims < ImportRunLimits.unknownClaims else {
                    end(number, .refused(.claimUnknown(claim)))
                    break
                }
                // The same claim, which may have won.
                ring[number % ring.count]!.unknownClaims += 1
                ring[number % ring.count]!.link!.body.claimID = claim
                ring[number % ring.count]!.end = nil
                make(number)
            }
        }
    }
}
