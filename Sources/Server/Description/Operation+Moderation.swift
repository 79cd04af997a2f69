import HTTP

/// What blocks, reports and the audit trail are answered with.
extension Operation {
    func moderationAnswers(read: [AnswerField], written: [AnswerField]) -> [OperationAnswer] {
        switch self {
        case .listBlocks: return [json("A page of blocks.", Schema.blockPage, [.cacheControl])]
        case .showBlock: return [json("The block.", Schema.block, read)]
        case .setBlock:
            return [
                json("The link was not blocked before.", Schema.block, written, status: 201),
                json("It was.", Schema.block, written),
            ]
        case .liftBlock: return [OperationAnswer(status: 204, words: "It is not blocked.", fields: written)]
        case .report:
            return [json("It is taken, or was already.", Schema.reportTaken, read, status: 202)]
        case .listReports: return [json("A page of reports.", Schema.reportPage, [.cacheControl])]
        case .decideReport: return [json("The report as it is now.", Schema.report, written)]
        case .tellAudit: return [json("A page of acts.", Schema.actPage, [.cacheControl])]
        default: preconditionFailure("not of moderation")
        }
    }
}
