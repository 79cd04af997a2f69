/// What operations are for, and who may ask.
extension Operation {
    enum Access {
        /// A key that is shown is not looked at.
        case open
        /// With a key more may be seen; one that does not hold is refused.
        case anybody
        /// Without a key if the configuration lets links be made so.
        case creators
        case keyHolders
    }

    var access: Access {
        switch self {
        case .createLink, .shorten, .importLinks, .takeBatch: .creators
        case .showLink, .showBatch, .showClicks, .describe, .report: .anybody
        case .listLinks, .exportLinks, .changeLink, .deleteLink, .tellChanges, .listBlocks, .showBlock,
            .setBlock, .liftBlock, .listReports, .decideReport, .tellAudit:
            .keyHolders
        case .health, .readiness, .listProblems, .showProblem, .follow, .preview: .open
        }
    }

    var summary: String {
        switch self {
        case .listLinks: "The links of the key's owner, newest first, page by page"
        case .createLink: "Makes a link"
        case .importLinks: "Makes a link for each line, as it is told"
        case .exportLinks: "The links of the key's owner, or for the scope admin all, as a stream"
        case .takeBatch: "Takes up to \(BatchLimits.entries) links to be made"
        case .showBatch: "What became of each entry of a batch"
        case .showLink: "A link"
        case .changeLink: "Changes those members of a link that are sent"
        case .deleteLink: "Deletes a link for good; its code is never given out again"
        case .showClicks: "How often a link was followed, day by day"
        case .listBlocks: "The blocks of links, in force and lifted, for the scope admin"
        case .showBlock: "The block of a link, in force or lifted"
        case .setBlock: "Blocks a link, whatever its owner says"
        case .liftBlock: "Lifts the block of a link; no list of known addresses blocks it again"
        case .report: "Reports a link that does harm"
        case .listReports: "Reports of links, those of one link together, for the scope admin"
        case .decideReport: "Decides a report: blocks its link, or dismisses it"
        case .tellAudit: "What admins did, newest first"
        case .tellChanges: "Every change of every link, for the scope admin"
        case .describe: "This description"
        case .shorten: "Makes a link, in the short form"
        case .health: "Whether the process serves"
        case .readiness: "Whether the node wants traffic"
        case .listProblems: "A page that lists all problems"
        case .showProblem: "A page that says of a problem what happened and what to do"
        case .follow: "Leads to the link's destination"
        case .preview: "Where a link leads, without going there"
        }
    }
}
