"""The smallest graph that can hold a thread: one node, which waits if it is told to."""

import asyncio
import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    messages: Annotated[list, operator.add]


async def answer(state):
    if state["messages"][-1] == "hold":
        await asyncio.sleep(600)
    return {"messages": ["Hello."]}


builder = StateGraph(State)
builder.add_node("answer", answer)
builder.add_edge(START, "answer")
builder.add_edge("answer", END)
graph = builder.compile()
