"""How good an encoder is: retrieval metrics with intervals, robustness, a readable report.

loading      a recipe's sources → labelled pictures (``material``)
protocol     which pictures query which
embedding    pictures → vectors
ranking      the gallery, ordered by similarity to each query
weighing     how much the parts of embeddings count
metrics      the scores of each query; ``answers`` collects them
bootstrap    confidence intervals; ``summary`` attaches them to figures
robustness   damages queries
study        all of this for one or two encoders → ``results`` and ``failures``
page         the report, with ``plot`` and ``markup``
heldout      a quick measure for the end of training
"""
