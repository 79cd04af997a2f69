import Links
import Primitives
import Replication
import Store

/// Whose an alias is: the machine of the registers beside the replicator, on the same thread, and what it wants done.
///
///     API ──claims──▶ ┌───────────┐ ──frames──▶ connections to peers
///     peers ─frames──▶│ Registers │ ──reads, rows, decisions──▶ store
///     writer ─synced─▶└───────────┘ ──outcomes──▶ API
///
/// Used by the thread of `PeerThread` alone.
final class AliasRegisters {
    typealias Completion = @Sendable (ClaimOutcome) -> Void

    private struct Asked: Hashable {
        let claim: UInt128
        let key: [UInt8]
    }

    private struct Cover {
        let number: UInt64
        /// Nil: what everyone holds.
        let heads: [LogHead]?
        var lookAgainAt: Int64 = 0
    }

    private let me: NodeID
    private let store: Store
    private let mail: PeerMail
    private var machine: Registers
    /// Rows of the acceptor were damaged: until they are gone and it begins anew it says nothing.
    private var isDown = false
    /// In monotonic milliseconds; of `retry` while it is down.
    private(set) var deadline = Int64.max
    private var waiting: [Asked: [Completion]] = [:]
    private var covers: [Cover] = []
    /// Peers that have told which epoch they are in, since their connection began.
    private var heard: Set<NodeID> = []
    private var outgoing: [(node: NodeID, frame: [UInt8])] = []
    private(set) var counts = ClaimCounts()
    private var wasVoting = false

    /// `first`: the epoch that begins a cluster.
    init(_ me: NodeID, _ first: Epoch, _ store: Store, _ mail: PeerMail) throws(StoreError) {
        (self.me, self.store, self.mail) = (me, store, mail)
        var state: AcceptorState?
        do throws(RegisterReadError) { state = try store.acceptor() } catch {
            guard error == .damagedRegister else {
                throw .system(path: "registers", reason: "the table cannot be read")
            }
            isDown = true
        }
        machine = Self.machine(me, first, state)
    }

    private static func machine(_ me: NodeID, _ first: Epoch, _ state: AcceptorState?) -> Registers {
        Registers(
            me: me, first: first, standing: state?.standing, isLost: state?.isLost ?? false,
            seed: .random(in: 0 ... .max), now: System.monotonicMilliseconds())
    }

    func start() {
        if isDown { return beginAnew() }
        perform(machine.start())
    }

    // MARK: What happens

    func take(_ message: RegisterMessage) {
        switch message {
        case .claim(let claim, let completion): self.claim(claim, completion)
        case .change(let action, let node, let completion): change(action, node, completion)
        case .event(let event): handle(event)
        case .forgotten(let succeeded): forgotten(succeeded)
        }
    }

    func received(_ frame: Frame, from node: NodeID) {
        if case .epochs = frame { heard.insert(node) }
        handle(.received(node, frame))
    }

    func closed(_ node: NodeID) { heard.remove(node) }

    /// What waits for the store to hold more looks again; `replicator` knows what that is.
    func look(at replicator: Replicator) {
        for (index, cover) in covers.enumerated() {
            guard let heads = cover.heads ?? replicator.held(by: heard), replicator.holds(heads) else { continue }
            // By the chains it may be long in coming, and they are on the disk.
            let now = System.monotonicMilliseconds()
            guard now >= cover.lookAgainAt else { continue }
            covers[index].lookAgainAt = now + RegisterLimits.storeRetry
            if store.holds(heads) { return isCovered(cover.number) }
        }
    }

    /// The operator's word that there are no others.
    func isAlone() { for cover in covers where cover.heads == nil { isCovered(cover.number) } }

    private func isCovered(_ number: UInt64) {
        covers.removeAll { $0.number == number }
        handle(.covered(number))
    }

    func passDeadline() {
        deadline = .max
        if isDown { return store.forgetRegisters { [mail] in mail.put(.forgotten($0)) } }
        handle(.deadline)
    }

    func handle(_ event: RegisterEvent) {
        guard !isDown else { return }
        perform(machine.handle(event, now: System.monotonicMilliseconds()))
    }

    // MARK: Claims

    /// Of an alias that is in the store nobody else is asked.
    private func claim(_ claim: Claim, _ completion: @escaping Completion) {
        let id = claim.value.claim
        if let holder = try? store.holder(of: claim.key) {
            return tell([completion], holder.claim == id ? .won(holder) : .taken(holder))
        }
        guard !isDown, !machine.standing.epoch.acceptors.isEmpty else { return tell([completion], .unavailable) }
        guard waiting.count < RegisterLimits.rounds else { return tell([completion], .overloaded) }
        waiting[Asked(claim: id, key: claim.key), default: []].append(completion)
        handle(.claim(claim))
    }

    private func change(_ action: AcceptorAction, _ node: NodeID, _ completion: @escaping Completion) {
        guard !isDown else { return completion(.unavailable) }
        let id = UInt128.random(in: 1 ... .max)
        waiting[Asked(claim: id, key: Self.ofEpochs), default: []].append(completion)
        let next = action.acceptors(node, after: machine.standing.epoch.acceptors)
        handle(.command(.change(to: next, claim: id)))
    }

    /// In place of a key, because the operator does not say which epoch is to be decided.
    private static let ofEpochs: [UInt8] = []

    private func tell(_ completions: [Completion], _ outcome: ClaimOutcome) {
        for completion in completions {
            counts.note(outcome)
            completion(outcome)
        }
    }

    /// Nobody waits for what nobody will tell.
    func end() {
        for completions in waiting.values { tell(completions, .unknown) }
        waiting = [:]
    }

    // MARK: Effects

    /// What the store answers at once comes back before what happens next.
    private func perform(_ effects: [RegisterEffect]) {
        for effect in effects {
            guard !isDown else { return }
            switch effect {
            case .send(let node, let frame):
                outgoing.append((node, frame.encoded()))
            case .setDeadline(let at): deadline = at
            case .read(let read): answer(read)
            case .store(let write):
                store.keep(write) { [mail] in mail.put(.event(.stored(batch: write.batch, succeeded: $0))) }
            case .cover(let number, let heads):
                covers.removeAll { !machine.awaits(cover: $0.number) }
                covers.append(Cover(number: number, heads: heads))
            case .coverEveryone(let number): covers.append(Cover(number: number, heads: nil))
            case .decided(let key, let value):
                // Where it cannot be written now the acceptors hand it out again.
                if let link = NewLink(claimed: key, value) { store.adopt(link) { _ in } }
            case .answer(let claim, let key, let outcome):
                if let asked = waiting.removeValue(forKey: Asked(claim: claim, key: key)) { tell(asked, outcome) }
                for asked in waiting.removeValue(forKey: Asked(claim: claim, key: Self.ofEpochs)) ?? [] {
                    asked(outcome)
                }
            }
        }
        tellVoting()
    }

    /// Through the mail, because other effects of the same event may stand behind this one.
    private func answer(_ read: RegisterRead) {
        do throws(RegisterReadError) {
            mail.put(.event(.read(try store.registers(read))))
        } catch {
            switch error {
            case .notNow: mail.put(.event(.stored(batch: read.batch, succeeded: false)))
            case .damagedRegister: beginAnew()
            }
        }
    }

    /// Frames that are to go to peers, in order; the rest forgets them.
    func takeFrames() -> [(node: NodeID, frame: [UInt8])] {
        defer { outgoing = [] }
        return outgoing
    }

    // MARK: Damage

    /// What it knew cannot be told any more: as if its disk were lost.
    private func beginAnew() {
        Log.write(.error, "registers-damaged")
        isDown = true
        end()
        (covers, outgoing, deadline) = ([], [], .max)
        store.forgetRegisters { [mail] in mail.put(.forgotten($0)) }
    }

    private func forgotten(_ succeeded: Bool) {
        guard isDown else { return }
        guard succeeded else {
            deadline = System.monotonicMilliseconds() + RegisterLimits.storeRetry
            return
        }
        isDown = false
        // In the epoch that it was in: connected peers have told theirs, and do not tell it again.
        machine = Self.machine(me, machine.standing.epoch, nil)
        perform(machine.start())
    }

    // MARK: Figures

    private func tellVoting() {
        guard machine.isVoting != wasVoting else { return }
        wasVoting = machine.isVoting
        let epoch: Log.Fields = ["epoch": .init(Int(clamping: machine.standing.epoch.number))]
        if wasVoting {
            Log.write(.info, "acceptor-votes", epoch)
        } else {
            Log.write(.warning, "acceptor-waits", epoch)
        }
    }

    var figures: RegisterFigures {
        RegisterFigures(
            epoch: machine.standing.epoch, isVoting: !isDown && machine.isVoting, awaited: machine.awaited,
            counts: counts)
    }
}

/// What other threads tell the registers.
enum RegisterMessage: Sendable {
    case claim(Claim, AliasRegisters.Completion)
    /// An operator's, of the acceptors.
    case change(AcceptorAction, NodeID, AliasRegisters.Completion)
    case event(RegisterEvent)
    /// Whether the damaged rows are gone.
    case forgotten(Bool)
}

/// What became of users' claims at this node.
struct ClaimCounts: Equatable, Sendable {
    private(set) var won: UInt64 = 0
    private(set) var taken: UInt64 = 0
    private(set) var unknown: UInt64 = 0
    private(set) var unavailable: UInt64 = 0
    private(set) var refused: UInt64 = 0

    mutating func note(_ outcome: ClaimOutcome) {
        switch outcome {
        case .won: won += 1
        case .taken: taken += 1
        case .unknown: unknown += 1
        case .unavailable: unavailable += 1
        case .overloaded, .refused: refused += 1
        }
    }

    /// By name, as in metrics.
    var rows: [(String, UInt64)] {
        [("won", won), ("taken", taken), ("unknown", unknown), ("unavailable", unavailable), ("refused", refused)]
    }
}

/// What people and metrics are told of the registers.
struct RegisterFigures: Sendable {
    var epoch: Epoch
    /// This node's own answers count.
    var isVoting: Bool
    /// Of the next epoch: whom it waits for; nil: none is decided.
    var awaited: [NodeID]?
    var counts: ClaimCounts
}
