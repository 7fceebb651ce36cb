"""Many prompts as one sequence in which every common beginning stands once, for prediction and training alike.

`trie`: the answers of a prompt as a tree of tokens. `packing`: prompts and their trees as packs. `attention`: a model reads them.
"""
