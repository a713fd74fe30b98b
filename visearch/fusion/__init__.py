"""How the parts of an embedding are combined into one similarity.

weights   the weights of the parts → a query whose inner products are the combined similarities
draw      which pictures of a catalog are looked at
fit       these pictures, and edited copies of some → the weights that suit the catalog
"""
