import Links
import Primitives

/// Answering clients with what other nodes have: see `Lookups`. A peer is asked over the connection that is there, beside
/// the streams, and takes part of no credit; the questions that are open are bounded by the lookups.
extension Replicator {
    mutating func lookUp(_ lookup: Lookup) {
        precondition(lookups.waiting[lookup.id] == nil, "a lookup's number is given once")
        let missing = uncovered(lookup.positions)
        if !lookup.positions.isEmpty {
            if missing.isEmpty { return finish([lookup.id], .covered) }
            for position in missing where isEnded(position) { return finish([lookup.id], .lost) }
        }
        guard lookups.waiting.count < ReplicationLimits.lookups else {
            return finish([lookup.id], lookup.positions.isEmpty ? .unreachable : .behind)
        }
        let waits = !missing.isEmpty && missing.allSatisfy { isComing($0) }
        let askAt = now.ticks + (waits ? min(ReplicationLimits.lookupWait, lookup.timeout) : 0)
        lookups.waiting[lookup.id] = Lookups.Waiting(
            lookup: lookup, deadline: now.ticks + lookup.timeout, askAt: askAt)
        due(at: askAt)
        due(at: now.ticks + lookup.timeout)
        if !waits { ask(lookup.id) }
    }

    private mutating func due(at instant: Int64) { lookups.nextAt = min(lookups.nextAt, instant) }

    private mutating func finish(_ ids: [UInt64], _ outcome: LookupOutcome) {
        for id in ids { lookups.waiting[id] = nil }
        if !ids.isEmpty { effects.append(.lookedUp(ids.sorted(), outcome)) }
    }

    // MARK: Positions

    /// Whom a tag can mean.
    private mutating func origins(_ life: LifeTag) -> [Origin] {
        if lookups.lives == nil || lookups.lifeCount != rows.count {
            lookups.lives = [:]
            lookups.lifeCount = rows.count
            for origin in rows.keys.sorted() {
                if let life = LifeTag(origin) { lookups.lives![life, default: []].append(origin) }
            }
        }
        return lookups.lives![life] ?? []
    }

    /// Of two lives with one tag nothing is covered, because the position may be either's.
    mutating func covers(_ position: LogPosition) -> Bool {
        let origins = origins(position.life)
        return origins.count == 1 && head(origins[0]) >= position.sequence
    }

    private mutating func uncovered(_ positions: [LogPosition]) -> [LogPosition] {
        var missing: [LogPosition] = []
        for position in positions where !covers(position) { missing.append(position) }
        return missing
    }

    /// It has been found out that nobody holds it: its life ended before, and everyone has said how far they hold it.
    private mutating func isEnded(_ position: LogPosition) -> Bool {
        let origins = origins(position.life)
        return allMembersReported && origins.count == 1 && rows[origins[0]]!.isSealed
            && rows[origins[0]]!.seal < position.sequence
    }

    /// Nobody knows of its life, and its node lives another one.
    private mutating func isForgotten(_ position: LogPosition) -> Bool {
        let node = NodeID(region: position.life.region, node: position.life.node)
        guard allMembersReported, origins(position.life).isEmpty else { return false }
        if node == settings.member.id { return true }
        return sessions.values.contains {
            $0.isOpen && $0.node == node && LifeTag($0.peer) != position.life
                && now.ticks - $0.openedAt >= ReplicationLimits.settledConnection
                && now.ticks - $0.heardAt <= ReplicationLimits.aliveFor
        }
    }

    /// Its author is streaming to this node, and not far ahead.
    private func isComing(_ position: LogPosition) -> Bool {
        guard !joining.isFrozen,
            let session = sessions.values.first(where: { $0.isOpen && LifeTag($0.peer) == position.life }),
            intakes[session.peer].map({ !isBlocked($0) }) ?? true
        else { return false }
        return position.sequence - min(position.sequence, head(session.peer)) <= ReplicationLimits.comingEntries
    }

    /// As far as the peer has told.
    private func holds(_ session: PeerSession, _ position: LogPosition) -> Bool {
        if LifeTag(session.peer) == position.life { return true }
        return peers[session.node]!.rows.values.contains {
            $0.head >= position.sequence && LifeTag($0.origin) == position.life
        }
    }

    /// After heads have moved.
    mutating func releaseCovered() {
        guard lookups.hasMoved else { return }
        lookups.hasMoved = false
        var covered: [UInt64] = []
        for id in lookups.waiting.keys.sorted() {
            let positions = lookups.waiting[id]!.lookup.positions
            guard !positions.isEmpty else { continue }
            if uncovered(positions).isEmpty { covered.append(id) }
        }
        finish(covered, .covered)
        beginCoveredChanges()
    }

    // MARK: Asking

    private mutating func ask(_ id: UInt64) {
        let question = lookups.waiting[id]!.question
        lookups.waiting[id]!.askAt = nil
        guard lookups.flights[question] == nil else { return lookups.flights[question]!.late.append(id) }
        lookups.flights[question] = Lookups.Flight(waiters: [id])
        sendNext(question)
    }

    /// Who can be asked, the best first.
    private func candidates(_ question: Lookups.Question) -> [PeerSession] {
        let able = nearest.filter { $0.hello!.versions.upperBound >= ReplicationLimits.requestVersion }
        switch question.whom {
        case .holder: return able.filter { session in question.positions.allSatisfy { holds(session, $0) } }
        case .region(let character): return able.filter { $0.node.region == character }
        case .everyone: return able
        case .nobody: return []
        case .author(let node):
            if let author = able.first(where: { $0.node == node }) { return [author] }
            return able.filter { session in
                peers[session.node]!.rows.values.contains { NodeID($0.origin) == node && $0.head > head($0.origin) }
            }
        }
    }

    private mutating func sendNext(_ question: Lookups.Question) {
        let untried = candidates(question).filter { !lookups.flights[question]!.tried.contains($0.node) }
        guard let first = untried.first else {
            let flight = lookups.flights[question]!
            guard flight.tried.isEmpty, flight.until == 0, isConnecting(question.whom) else { return land(question) }
            lookups.flights[question]!.until = now.ticks + ReplicationLimits.lookupPatience
            return due(at: now.ticks + ReplicationLimits.lookupPatience)
        }
        for session in question.whom == .everyone ? untried : [first] { send(question, to: session) }
    }

    /// Somebody who could be asked is about to be there: where two nodes dial each other, one connection ends before the
    /// other is open.
    private func isConnecting(_ whom: Lookup.Whom) -> Bool {
        sessions.values.contains { session in
            guard session.isAuthenticated, !session.isOpen else { return false }
            switch whom {
            case .author(let node): return session.node == node
            case .region(let character): return session.node.region == character
            case .everyone: return true
            case .holder, .nobody: return false
            }
        }
    }

    /// A peer is there now.
    mutating func askThoseWhoHaveCome() {
        for question in unasked({ _ in true }) where !candidates(question).isEmpty { sendNext(question) }
    }

    private func unasked(_ isWanted: (Lookups.Flight) -> Bool) -> [Lookups.Question] {
        lookups.flights.filter { $0.value.asked.isEmpty && isWanted($0.value) }
            .sorted { $0.value.waiters[0] < $1.value.waiters[0] }.map(\.key)
    }

    private mutating func send(_ question: Lookups.Question, to session: PeerSession) {
        let request = nextRequest()
        lookups.questions[request] = question
        lookups.flights[question]!.asked[request] = session.id
        lookups.flights[question]!.tried.insert(session.node)
        let patience = max(
            ReplicationLimits.lookupPatience, session.roundTrip * 2 + ReplicationLimits.lookupMargin)
        let until = max(lookups.flights[question]!.until, now.ticks + patience)
        lookups.flights[question]!.until = until
        due(at: until)
        counters.lookupsAsked += 1
        send(
            session.id, .linkRequest(LinkRequest(positions: question.positions, code: question.code)), request: request)
    }

    /// Nobody is left who could be asked.
    private mutating func land(_ question: Lookups.Question) {
        let flight = lookups.flights.removeValue(forKey: question)!
        guard question.positions.isEmpty else {
            // Until its deadline the entries may come, or somebody who has them.
            let askAt = now.ticks + ReplicationLimits.lookupWait
            for id in flight.waiters + flight.late { lookups.waiting[id]?.askAt = askAt }
            return due(at: askAt)
        }
        finish(present(flight.waiters), flight.wasAbsent ? .absent : .unreachable)
        askAnew(question, flight.late)
    }

    /// For those who asked after the question was sent.
    private mutating func askAnew(_ question: Lookups.Question, _ late: [UInt64]) {
        let late = present(late)
        guard !late.isEmpty else { return }
        lookups.flights[question] = Lookups.Flight(waiters: late)
        sendNext(question)
    }

    private func present(_ ids: [UInt64]) -> [UInt64] { ids.filter { lookups.waiting[$0] != nil } }

    mutating func received(_ answer: LinkAnswer, _ request: UInt32, _ session: PeerSession) {
        // One that was no longer waited for.
        guard let question = lookups.questions[request], lookups.flights[question]?.asked[request] == session.id else {
            return
        }
        drop(request, of: question)
        switch answer.outcome {
        case .behind: goOn(question)
        case .here:
            let flight = remove(question)
            finish(present(flight.waiters + flight.late), .found(answer.record, answer.position, by: session.node))
        case .notHere:
            lookups.flights[question]!.wasAbsent = true
            switch question.whom {
            case .region, .everyone, .nobody: goOn(question)
            case .holder, .author:
                let flight = remove(question)
                finish(present(flight.waiters), .absent)
                askAnew(question, flight.late)
            }
        }
    }

    private mutating func drop(_ request: UInt32, of question: Lookups.Question) {
        lookups.questions[request] = nil
        lookups.flights[question]!.asked[request] = nil
    }

    private mutating func remove(_ question: Lookups.Question) -> Lookups.Flight {
        for request in lookups.flights[question]!.asked.keys { lookups.questions[request] = nil }
        return lookups.flights.removeValue(forKey: question)!
    }

    /// To the next peer, once nobody who was asked is still to answer.
    private mutating func goOn(_ question: Lookups.Question) {
        let flight = lookups.flights[question]!
        guard flight.asked.isEmpty else { return }
        if present(flight.waiters + flight.late).isEmpty { _ = remove(question) } else { sendNext(question) }
    }

    /// The connection is gone, and with it the answers.
    mutating func lookupsLost(_ id: ConnectionID) { giveUp { $0.asked.filter { $0.value == id }.map(\.key) } }

    private mutating func giveUp(_ requests: (Lookups.Flight) -> [UInt32]) {
        let given = lookups.flights.mapValues(requests).filter { !$0.value.isEmpty }
        for (question, requests) in given.sorted(by: { $0.value.min()! < $1.value.min()! }) {
            for request in requests { drop(request, of: question) }
            goOn(question)
        }
    }

    // MARK: Time

    mutating func lookUpWhatIsDue() {
        guard lookups.nextAt <= now.ticks else { return }
        let ticks = now.ticks
        giveUp { $0.until <= ticks ? Array($0.asked.keys) : [] }
        for question in unasked({ $0.until <= ticks }) { land(question) }
        for id in lookups.waiting.keys.sorted() {
            guard let waiting = lookups.waiting[id] else { continue }
            if waiting.deadline <= now.ticks {
                expire(waiting.lookup)
            } else if let askAt = waiting.askAt, askAt <= now.ticks {
                ask(id)
            }
        }
        lookups.nextAt = .max
        for waiting in lookups.waiting.values { due(at: min(waiting.deadline, waiting.askAt ?? .max)) }
        for flight in lookups.flights.values { due(at: flight.until) }
    }

    private mutating func expire(_ lookup: Lookup) {
        guard !lookup.positions.isEmpty else { return finish([lookup.id], .unreachable) }
        var isLost = false
        for position in uncovered(lookup.positions) { isLost = isLost || isEnded(position) || isForgotten(position) }
        finish([lookup.id], isLost ? .lost : .behind)
    }

    // MARK: Answering

    mutating func received(_ wanted: LinkRequest, _ request: UInt32, _ session: PeerSession) {
        counters.lookupsAnswered += 1
        for position in wanted.positions where !covers(position) {
            return send(session.id, .linkAnswer(LinkAnswer(.behind)), request: request)
        }
        effects.append(.readLink(session.id, request: request, code: wanted.code))
    }

    mutating func linkRead(_ id: ConnectionID, _ request: UInt32, _ answer: LinkAnswer) {
        guard sessions[id]?.isOpen == true else { return }
        // What is not here may be among what this node has still to take.
        let cannotTell = answer.outcome == .notHere && (!isReady || joining.isFrozen)
        send(id, .linkAnswer(cannotTell ? LinkAnswer(.behind) : answer), request: request)
    }
}
