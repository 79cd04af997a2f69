import Links
import Primitives

/// What an acceptor still has to hear before it votes.
///
/// Whoever was whole in the former epoch *enters* the present one with the registers of a majority of the former, its own
/// among them; these have all stopped voting there, so nothing is chosen behind its back, and what was chosen is among
/// them. Whoever is new, was left out, or has lost its disk *recovers*: from a majority of the others who vote in this
/// epoch. Any majority that its former self was one of has a member among these. What that member promised or accepted
/// before is in the page; what it answers after carries a roll with the new life, by which proposers leave out the
/// answers of the old one.
///
/// Where a cluster begins nobody votes yet. Then each of the others gives what it has and says that it has never voted in its
/// life: if all do, this acceptor votes too. It keeps their lives: to those who ask later it says that they were there, so
/// that they need no majority of it. Whoever voted once and lost its disk comes in another life, and is not let in so.
struct Learning: Sendable {
    struct Walk: Sendable {
        var after: [UInt8] = []
        /// The giver's life; another one's registers are walked from the first on.
        var life: UInt64?
        /// As the last page said.
        var giver = Giver.whole
        var phase = Phase.walking
        /// When the last page was here.
        var walkedAt: Int64 = 0
    }

    enum Phase: Equatable, Sendable {
        case walking
        /// Its registers are here. What it has forgotten because it is in its store is to come into this one.
        case covering(UInt64)
        case done
    }

    let isEntering: Bool
    let needed: Int
    var walks: [NodeID: Walk]
    /// Of an acceptor that is alone.
    var cover: UInt64?
}

extension Registers {
    mutating func beginLearning() {
        learning = nil
        guard standing.isAcceptor(me), !standing.isWhole(me), standing.life != 0 else { return }
        let isEntering = standing.enters(me)
        let others = (isEntering ? standing.epoch.former : standing.epoch.acceptors).filter { $0 != me }
        // Of a majority of the former the own registers are a part.
        let needed = isEntering ? (others.count + 1) / 2 : others.isEmpty ? 0 : others.count / 2 + 1
        let walks = Dictionary(uniqueKeysWithValues: others.map { ($0, Learning.Walk()) })
        learning = Learning(isEntering: isEntering, needed: needed, walks: walks)
        if needed > 0 { return gossip() }
        if isEntering { return becomeWhole() }
        lastCover += 1
        learning!.cover = lastCover
        effects.append(.coverEveryone(lastCover))
    }

    mutating func askForPages() {
        for node in learning!.walks.keys.sorted() {
            let walk = learning!.walks[node]!
            // Who has lost its disk since may have lost what was to be covered; who had nothing may vote by now. And of a
            // log's end as the giver had it nobody may have anything any more, once a snapshot has taken its store's place.
            let isOver =
                switch walk.phase {
                case .done: walk.giver == .empty
                case .walking: walk.life.map { $0 < roll[node] } ?? false
                case .covering:
                    walk.life.map { $0 < roll[node] } ?? false || now - walk.walkedAt >= RegisterLimits.coverPatience
                }
            if isOver { learning!.walks[node] = Learning.Walk() }
            if learning!.walks[node]!.phase == .walking { askForPage(node) }
        }
    }

    private mutating func becomeWhole(founders: Roll = Roll()) {
        enqueue(
            Job(me, .become(.whole(epoch: standing.epoch.number, life: standing.life, founders: founders))))
    }

    /// It is there again: a page that was lost is not waited for.
    mutating func askAgain(_ node: NodeID) { if learning?.walks[node]?.phase == .walking { askForPage(node) } }

    private mutating func askForPage(_ node: NodeID) {
        let learn = Learn(
            epoch: standing.epoch.number, life: standing.life, isEntering: learning!.isEntering,
            after: learning!.walks[node]!.after)
        send(.learn(learn), to: node)
    }

    mutating func received(_ page: Learned, from node: NodeID) {
        guard page.life == standing.life else { return }
        guard page.roll[me] <= standing.life else { return enqueue(Job(me, .become(.lifeAfter(page.roll[me])))) }
        guard page.epoch == standing.epoch.number, let walk = learning?.walks[node], walk.phase == .walking,
            walk.after == page.after
        else { return }
        guard walk.life.map({ $0 == page.roll[node] }) ?? true else {
            learning!.walks[node] = Learning.Walk()
            return askForPage(node)
        }
        enqueue(Job(node, .take(page)))
    }

    func take(_ page: Learned, from node: NodeID, _ batch: inout RegisterBatch) {
        guard page.epoch == batch.standing.epoch.number, page.life == batch.standing.life, !batch.standing.isWhole(me)
        else { return }
        merge(page.rows, &batch)
        for acceptor in batch.standing.epoch.acceptors where acceptor != me && page.roll[acceptor] > 0 {
            batch.standing.roll[acceptor] = max(batch.standing.roll[acceptor], page.roll[acceptor])
        }
        batch.answers.append(.learned(node, page))
    }

    /// Its rows are durable here.
    mutating func learned(_ page: Learned, from node: NodeID) {
        guard page.epoch == standing.epoch.number, page.life == standing.life, let walk = learning?.walks[node],
            walk.phase == .walking, walk.after == page.after
        else { return }
        learning!.walks[node]!.life = page.roll[node]
        learning!.walks[node]!.giver = page.giver
        if page.next.isEmpty {
            lastCover += 1
            learning!.walks[node]!.phase = .covering(lastCover)
            learning!.walks[node]!.walkedAt = now
            effects.append(.cover(lastCover, page.heads))
        } else {
            learning!.walks[node]!.after = page.next
            askForPage(node)
        }
    }

    /// Whether the answer to `RegisterEffect.cover` or `coverEveryone` of this number still means something.
    package func awaits(cover number: UInt64) -> Bool {
        learning.map { $0.cover == number || $0.walks.values.contains { $0.phase == .covering(number) } } ?? false
    }

    mutating func covered(_ number: UInt64) {
        guard let learning else { return }
        if learning.cover == number { return becomeWhole() }
        guard let node = learning.walks.first(where: { $0.value.phase == .covering(number) })?.key else { return }
        self.learning!.walks[node]!.phase = .done
        let walks = self.learning!.walks
        let whole = walks.values.count { $0.phase == .done && $0.giver != .empty }
        if whole >= learning.needed { return becomeWhole() }
        foundIfAllAreNew(walks)
    }

    /// None of the others has ever voted, but as one who began together with this acceptor.
    private mutating func foundIfAllAreNew(_ walks: [NodeID: Learning.Walk]) {
        guard standing.mayFound, walks.allSatisfy({ $1.phase == .done && $1.giver != .whole && $1.life == roll[$0] })
        else { return }
        becomeWhole(founders: Roll(walks.mapValues { $0.life! }))
    }

    // MARK: Giving

    /// A page for one that learns; its life is on the roll from now on, durably before it gets the page.
    func give(_ learn: Learn, _ page: RegisterAnswers.Page, to node: NodeID, _ batch: inout RegisterBatch) {
        let standing = batch.standing
        guard learn.epoch == standing.epoch.number else {
            return batch.answers.append(.frame(node, .epochs(epochs(standing, isAnswer: true))))
        }
        let wasWhole = standing.epoch.former.contains(me) && standing.wholeFor + 1 >= standing.epoch.number
        let isEmpty = !learn.isEntering && standing.mayFound
        guard standing.isAcceptor(node), learn.isEntering ? wasWhole : standing.isWhole(me) || isEmpty else { return }
        let isFounder = learn.life != 0 && standing.founders[node] == learn.life
        let isGranted = learn.life >= standing.roll[node]
        if isGranted { batch.standing.roll[node] = learn.life }
        var told = batch.standing.roll
        told[me] = standing.life
        let answer = Learned(
            epoch: learn.epoch, life: learn.life, giver: isEmpty ? .empty : isFounder ? .founder : .whole, roll: told,
            after: learn.after, next: isGranted ? page.next : [],
            heads: isGranted && page.next.isEmpty ? page.heads : [],
            rows: isGranted ? page.rows.filter { !page.linked.contains($0.key) } : [])
        batch.answers.append(.frame(node, .learned(answer)))
    }
}
